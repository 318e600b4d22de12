-- wrk sends another query each time; at the end it prints the figures as a line of JSON.
local queries = {}

function init(arguments)
  for line in io.lines(arguments[1]) do
    queries[#queries + 1] = line
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  math.randomseed(tonumber(arguments[2]))
end

function request()
  return wrk.format(nil, nil, nil, queries[math.random(#queries)])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
