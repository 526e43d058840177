-- wrk: sends one request for each cookie of the file COOKIES in turn, and prints what came of it.
local requests, sent = {}, 0

-- What a browser sends with a page that its user opens.
local browser = {
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Accept-Language"] = "en-GB,en;q=0.9",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}

function init()
  local method, path = os.getenv("METHOD"), os.getenv("TARGET")
  for line in io.lines(os.getenv("COOKIES")) do
    local fields = { ["Host"] = wrk.host, ["Cookie"] = line }
    for name, value in pairs(browser) do fields[name] = value end
    if method == "POST" then fields["Content-Length"] = "0" end
    requests[#requests + 1] = wrk.format(method, path, fields)
  end
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

-- Requests, errors, microseconds that the load took, the 99th percentile of the latencies in microseconds.
function done(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %d %d", summary.requests,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status, summary.duration,
    latency:percentile(99)))
end
