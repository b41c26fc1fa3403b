-- For wrk: posts the bodies of a file in turn, and says what it saw as one line of JSON.
-- Arguments: the file (for each body a line with its length, then its bytes and a newline), and the content type.
local requests, place = {}, 0

function init(args)
  local file = io.open(args[1], "rb")
  for length in file:lines() do
    local body = file:read(tonumber(length))
    file:read(1)
    requests[#requests + 1] = wrk.format("POST", nil, { ["content-type"] = args[2], accept = args[2] }, body)
  end
  file:close()
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
