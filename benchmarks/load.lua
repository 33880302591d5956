-- The requests and the report of wrk; run by benchmarks/load.py as: wrk ... URL -- FOLDER COUNT plain|count-statuses

-- One name per status, made once. Each is a global variable: wrk cannot safely copy a table out of a thread.
local names = {}
for status = 100, 599 do
   names[status] = "status_" .. status
end

local threads = {}

function setup(thread)
   threads[#threads + 1] = thread
end

local function read(path)
   local file = assert(io.open(path, "rb"))
   local data = file:read("*a")
   file:close()
   return data
end

-- Whole requests are made here, before the clock starts, so that the client does not limit the measurement.
function init(args)
   local folder, count = args[1], tonumber(args[2])
   local requests = {}
   for i = 0, count - 1 do
      local headers = { ["Content-Type"] = read(folder .. "/" .. i .. ".type") }
      requests[i] = wrk.format("POST", nil, headers, read(folder .. "/" .. i .. ".body"))
   end
   local turn = -1
   function request()
      turn = (turn + 1) % count
      return requests[turn]
   end
   if args[3] == "count-statuses" then
      function response(status)
         local name = names[status]
         _G[name] = (_G[name] or 0) + 1
      end
   end
end

function done(summary, latency)
   local statuses = {}
   for status = 100, 599 do
      local count = 0
      for _, thread in ipairs(threads) do
         count = count + (thread:get(names[status]) or 0)
      end
      if count > 0 then
         statuses[#statuses + 1] = string.format('"%d":%d', status, count)
      end
   end
   local errors = summary.errors
   print(string.format(
      '{"requests":%d,"us":%d,"p50":%d,"p95":%d,"p99":%d,"non_2xx":%d,"statuses":{%s},'
         .. '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d}}',
      summary.requests, summary.duration,
      latency:percentile(50), latency:percentile(95), latency:percentile(99),
      errors.status, table.concat(statuses, ","),
      errors.connect, errors.read, errors.write, errors.timeout
   ))
end
