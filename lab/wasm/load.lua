-- Requests of wrk: `METHOD PATH COOKIES`, where COOKIES is a file with one `Cookie` field per line, which take turns.
local fields, turn = {}, 0
local method, path

function init(arguments)
  method, path = arguments[1], arguments[2]
  for line in io.lines(arguments[3]) do fields[#fields + 1] = line end
end

function request()
  turn = turn % math.max(#fields, 1) + 1
  return wrk.format(method, path, { ["Cookie"] = fields[turn] })
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration, failed))
end
