-- Run by `support.nvim.drive`: starts the language server as a person would, runs the scenario, writes what it returns.
local settings = vim.json.decode(os.getenv('DRIVE'))
local v = { events = {}, messages = {}, root = settings.root }
vespiary = v

vim.o.hidden = true
vim.o.undolevels = 1000

--- Waits until `check` gives something true and returns it; fails after `ms` milliseconds. The editor's main loop runs meanwhile.
function v.wait(what, check, ms)
  local here = assert(coroutine.running(), 'a scenario waits in its own coroutine')
  local deadline = vim.uv.now() + (ms or 20000)
  while true do
    local found = check()
    if found then return found end
    if vim.uv.now() > deadline then
      error('waited in vain for ' .. what .. '; events: ' .. vim.json.encode(v.events))
    end
    vim.defer_fn(function() coroutine.resume(here) end, 5)
    coroutine.yield()
  end
end

--- Edits a file of the workspace; the server is attached to it afterwards.
function v.edit(name, options)
  vim.cmd.edit(vim.fn.fnameescape(v.root .. '/' .. name))
  local buffer = vim.api.nvim_get_current_buf()
  local id = assert(vim.lsp.start(vim.tbl_deep_extend('force', {
    name = 'vespiary',
    cmd = settings.server,
    root_dir = v.root,
    handlers = {
      ['vespiary/event'] = function(_, event) table.insert(v.events, event) end,
      ['window/showMessage'] = function(_, message) table.insert(v.messages, message) end,
    },
  }, options or {}), { bufnr = buffer }))
  v.wait('the server', function() return vim.lsp.buf_is_attached(buffer, id) and vim.lsp.get_client_by_id(id).initialized end)
  v.client = vim.lsp.get_client_by_id(id)
  return buffer
end

--- What a person types: keys in the current buffer.
function v.type(keys)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), 'xt', false)
end

function v.text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer or 0, 0, -1, true), '\n')
end

function v.request(method, params)
  local answer
  -- The buffer is named because Neovim sends the changes that it holds back for 0.15 seconds only for a named one.
  v.client:request(method, params or vim.empty_dict(), function(err, result)
    answer = { err = err, result = result }
  end, vim.api.nvim_get_current_buf())
  v.wait(method, function() return answer end)
  assert(not answer.err, vim.inspect(answer.err))
  return answer.result
end

--- Gives an agent a task and returns the id of its run.
function v.start(prompt, more)
  if type(prompt) == 'table' then prompt = vim.json.encode(prompt) end
  return v.request('vespiary/run/start', vim.tbl_extend('force', { prompt = prompt }, more or {})).runId
end

--- Waits for an event of a kind, and returns it.
function v.event(run, kind, ms)
  return v.wait(kind, function()
    for _, event in ipairs(v.events) do
      if event.runId == run and event.kind == kind then return event end
    end
  end, ms)
end

function v.finished(run, ms) return v.event(run, 'run.finished', ms) end

local function save(answer)
  local file = assert(io.open(settings.result, 'wb'))
  file:write(vim.json.encode(answer))
  file:close()
end

local function main()
  local ok, value = xpcall(assert(loadfile(settings.scenario)), debug.traceback)
  save(ok and { value = value == nil and vim.NIL or value } or { error = tostring(value) })
  for _, client in ipairs(vim.lsp.get_clients()) do client:stop() end
  pcall(v.wait, 'the end of the server', function() return #vim.lsp.get_clients() == 0 end, 3000)
  vim.cmd.qall({ bang = true })
end

-- Not from within this script: the scenario is to meet the editor as it waits for keys.
vim.defer_fn(coroutine.wrap(main), 0)
