-- wrk's side of a measurement: "wrk -s wrk.lua URL -- METHOD BODY [TOKEN_FILE]".
-- Prints one line of JSON at the end. With a token file each request carries the next token of it.

local heads = {}
local turn = 0

function init(args)
  wrk.method = args[1]
  if args[2] ~= "" then
    wrk.body = args[2]
  end
  if args[3] then
    for token in io.lines(args[3]) do
      wrk.headers["Cookie"] = "access_token=" .. token
      heads[#heads + 1] = wrk.format()
    end
    request = function()
      turn = turn % #heads + 1
      return heads[turn]
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
