"""What is promised when processes are killed, disks are full, journals damaged and actors poisoned."""

REQUIREMENTS = {
    "crash:kill": "A run killed at any moment comes to the same files and conversation as one that is not. [issue 3]",
    "crash:no-refetch": "A model's reply that the journal has is never fetched again. [issue 3]",
    "crash:edit-once": "No file is edited twice, and a tool answers after a crash as it would have before. [issue 3]",
    "crash:command": "A command under way in a crash is answered as interrupted, and not run twice. [issue 3]",
    "crash:boundaries": "A crash at a run's beginning or end leaves one run, one conversation and one turn. [issue 3]",
    "crash:workers": "A run whose workers are killed at any moment just ends right; nothing is fetched twice. [issue 3]",
    "crash:spawn": "A child whose making is interrupted is made once, and a failed one stays failed. [issue 3]",
    "crash:disk-full": "A full disk interrupts a run with `journal.full`; with space it is resumed and ends right. [issue 3]",
    "crash:damage": "A damaged journal gives the same result or a clear error, never another result. [issue 3]",
    "crash:poison": "A poisoned input costs its actor nothing but that input, and no process dies of it for ever. [issue 3]",
    "crash:backpressure": "100,000 messages for a slow actor arrive in order, in bounded memory, also through a kill. [issue 3]",
}
