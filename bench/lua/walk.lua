-- Walk through prepared requests, one after the other, and report what came back.
--
-- wrk -t1 ... -s walk.lua URL -- ITEMS REPORT MODE EXPECT ANSWERS KEYS IDLE PAUSE
--   ITEMS    file of requests, one a line: method TAB path TAB body
--   REPORT   file that gets the counters as JSON
--   MODE     "loop": start over at the end
--            "once": send each request at most once, end the run early when none is left
--            "collect": as once, but wait for every answer and keep its body, one a line, in the file ANSWERS
--   EXPECT   text that every answer's body must contain, or "-"
--   ANSWERS  the file of "collect", or "-"
--   KEYS     prefix of a fresh Idempotency-Key on every POST, or "-"
--   PAUSE    milliseconds that each connection waits before each request
--   IDLE     path that does nothing, asked for while a run that has sent everything ends
--
-- EXPECT and "collect" need wrk's response hook, which costs wrk (not the server) some time on every answer; without
-- them wrk itself counts the answers whose status is 400 or more.

local ffi = require("ffi")
ffi.cdef("int kill(int pid, int signal); int getpid(void);")

local SIGINT = 2
local FOREVER_MS = 3600000
local SAMPLES = 3
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
  assert(#threads == 1, "walk.lua hands out each request once: use one thread (-t1)")
end

-- Wake wrk's main thread, which otherwise sleeps, and counts, to the end of the given duration.
local function end_run()
  ffi.C.kill(ffi.C.getpid(), SIGINT)
end

-- Format every request up front, cut in two where the Idempotency-Key goes.
local function read_items(path, keyed)
  local heads, tails = {}, {}
  for line in io.lines(path) do
    local method, target, body = line:match("^(%S+)\t(%S+)\t(.*)$")
    assert(method, "not a request: " .. line)
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    if method == "POST" then
      headers["Content-Type"] = "application/json"
      if keyed then headers["Idempotency-Key"] = "@@@" end
    else
      body = nil
    end
    local text = wrk.format(method, target, headers, body)
    local from, to = text:find("@@@", 1, true)
    heads[#heads + 1] = from and text:sub(1, from - 1) or text
    tails[#tails + 1] = from and text:sub(to + 1) or false
  end
  return heads, tails
end

local function watch_answers(count, collect, expect, path)
  local out = collect and assert(io.open(path, "w"))
  response = function(status, _, body)
    answers = answers + 1
    if status >= 300 or (expect ~= "-" and not body:find(expect, 1, true)) then
      wrong = wrong + 1
      if wrong <= SAMPLES then samples = samples .. status .. " " .. body:sub(1, 600) .. "\n" end
    elseif out then
      out:write(body, "\n")
    end
    if out and answers == count then
      out:close()
      out = nil
      end_run()
    end
  end
end

function init(args)
  local items, mode, expect, keys = args[1], args[3], args[4], args[6]
  local heads, tails = read_items(items, keys ~= "-")
  local count, at, probed, reserved = #heads, 0, false, 0
  report_path, issued, ran_out = args[2], 0, false
  answers, wrong, samples = 0, 0, ""

  request = function()
    if not probed then -- wrk asks once before the run, to look at the request only
      probed = true
      return tails[1] and heads[1] .. keys .. "probe" .. tails[1] or heads[1]
    end
    if at == count then
      if mode ~= "loop" then
        if not ran_out then end_run() end
        ran_out = true
        wrk.thread:stop()
        return wrk.format("GET", args[7])
      end
      at = 0
    end
    at, issued = at + 1, issued + 1
    local tail = tails[at]
    if tail then return heads[at] .. keys .. issued .. tail end
    return heads[at]
  end

  local pause = tonumber(args[8])
  if pause > 0 then
    delay = function() return pause end
  end
  if mode == "collect" then
    delay = function() -- park the connections that find nothing left to send
      reserved = reserved + 1
      return reserved > count and FOREVER_MS or 0
    end
  end
  if mode == "collect" or expect ~= "-" then watch_answers(count, mode == "collect", expect, args[5]) end
end

function done(summary, latency, _)
  local thread, errors = threads[1], summary.errors
  local text = thread:get("samples"):gsub('[%c\\"]', function(c) return string.format("\\u%04x", c:byte()) end)
  local out = assert(io.open(thread:get("report_path"), "w"))
  out:write(string.format(
    '{"requests":%d,"duration_us":%d,"issued":%d,"ran_out":%s,"answers":%d,"wrong":%d,'
      .. '"status_errors":%d,"socket_errors":%d,"timeouts":%d,'
      .. '"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"samples":"%s"}\n',
    summary.requests, summary.duration, thread:get("issued"), tostring(thread:get("ran_out")), thread:get("answers"),
    thread:get("wrong"), errors.status, errors.connect + errors.read + errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max, text))
  out:close()
end
