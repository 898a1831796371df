"""Mailboxes: order, fairness, bounds."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Deliver
from vespiary.runtime.deadletters import DeadLetter, DeadLetters
from vespiary.runtime.mailbox import Account, Mailbox, MemorySpill

ME = ActorId("aaaaaa/me")
RUN = RunId("run000000001")


def letter(number: int, size: int = 3) -> Envelope:
    return Envelope(f"root:{number}", "t", ME, Scope("aaaaaa"), "x" * size)


def box(bound: int = 4) -> Mailbox:
    return Mailbox(RUN, ME, Account(1000), MemorySpill(), bound, 10**9)


actions = st.lists(st.sampled_from(["letter", "answer", "take"]) | st.integers(0, 40), max_size=200)


@requirement("runtime:mailbox-order", "runtime:answers-first")
@given(actions, st.integers(1, 6))
def test_nothing_is_lost_and_letters_and_answers_each_keep_their_order(script: list[str | int], bound: int) -> None:
    account = Account(10**9)
    mailbox = Mailbox(RUN, ME, account, MemorySpill(), bound, 10**9)
    letters: deque[Envelope] = deque()
    answers: deque[Answer] = deque()
    for number, action in enumerate(script):
        if action == "letter":
            letters.append(letter(number))
            mailbox.put(letters[-1])
        elif action == "answer":
            answers.append(Answer(number, True, "{}"))
            mailbox.put_answer(answers[-1])
        elif action == "take":
            taken = mailbox.take()
            if isinstance(taken, Deliver):
                assert taken.envelope == letters.popleft()
            elif isinstance(taken, Answer):
                assert taken == answers.popleft()
            else:
                assert not letters
                assert not answers
        elif isinstance(action, int):
            withdrawn = mailbox.withdraw(action)
            assert withdrawn == any(answer.request == action for answer in answers)
            answers = deque(answer for answer in answers if answer.request != action)
        assert len(mailbox) == len(letters) + len(answers)
        assert mailbox.spilled == 0 or len(mailbox) > mailbox.spilled
    mailbox.clear()
    assert account.held == 0
    assert mailbox.take() is None


@requirement("runtime:answers-first")
def test_an_answer_waits_behind_at_most_one_letter_and_a_letter_behind_at_most_one_answer() -> None:
    mailbox = box(bound=2)
    for number in range(10):
        mailbox.put(letter(number))
    mailbox.take()
    for number in range(3):
        mailbox.put_answer(Answer(number, True, "{}"))
    kinds = [type(mailbox.take()).__name__ for _ in range(6)]
    assert kinds == ["Answer", "Deliver"] * 3


@requirement("runtime:mailbox-bounds")
def test_what_a_full_mailbox_has_no_room_for_goes_to_the_spill_and_is_counted() -> None:
    mailbox = box(bound=4)
    for number in range(10):
        mailbox.put(letter(number))
    assert (len(mailbox), mailbox.spilled) == (10, 6)


def test_dead_letters_are_bounded_in_count_and_in_bytes() -> None:
    dead = DeadLetters(3, 2000)
    for number in range(5):
        dead.add(DeadLetter(RunId("r"), None, letter(number), "why", 0))
    assert [item.content for item in dead.of(RunId("r"))] == [letter(2), letter(3), letter(4)]
    dead.add(DeadLetter(RunId("q"), None, letter(9, 1500), "why", 0))
    assert len(dead) == 2
    dead.add(DeadLetter(RunId("q"), None, letter(9, 5000), "why", 0))
    assert len(dead) == 0
