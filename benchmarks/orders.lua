-- Places orders that are all new: within a run by the counter, among runs by the time.
local prefix = "bench-" .. os.time() .. "-" .. math.floor(os.clock() * 1e6) .. "-"
local count = 0

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function request()
   count = count + 1
   local body = '{"reference":"' .. prefix .. count .. '","amount":"12.50","currency":"EUR"}'
   return wrk.format(nil, nil, nil, body)
end
