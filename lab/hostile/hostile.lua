-- wrk: sends the cookies of the file COOKIES in turn, and writes the file DONE after COUNT responses. With PAUSE, each
-- connection waits so many milliseconds before a request, every answer has to be a guest's page, and all latencies are
-- printed.
local requests, statuses, sent, answered = {}, {}, 0, 0
local count = tonumber(os.getenv("COUNT"))
local pause = tonumber(os.getenv("PAUSE"))
local threads = {}
wrong = 0

if pause then
  function delay() return pause end
end

function setup(thread) threads[#threads + 1] = thread end

function init()
  for line in io.lines(os.getenv("COOKIES")) do
    requests[#requests + 1] = wrk.format("GET", "/", { ["Host"] = wrk.host, ["Cookie"] = line })
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function response(status, _, body)
  -- The forged sessions are Mallory's.
  if pause and (status ~= 200 or body:find("mallory", 1, true)) then
    wrong = wrong + 1
  end
  answered = answered + 1
  statuses[status] = (statuses[status] or 0) + 1
  if answered == count then
    local report = io.open(os.getenv("DONE"), "w")
    for code, times in pairs(statuses) do report:write(code, " ", times, "\n") end
    report:close()
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %.1f %.1f %.1f %.1f", summary.requests,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency:percentile(99.9) / 1000, latency.max / 1000))
  if not pause then return end
  for _, thread in ipairs(threads) do print("WRONG " .. thread:get("wrong")) end
  for index = 1, #latency do print(string.format("LATENCY %d %d", latency(index))) end
end
