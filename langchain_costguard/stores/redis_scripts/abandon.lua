-- Release a reservation of which nobody knows whether it was made, and have it refused if it arrives later.
local SECONDS = 3600
local reservation = ROOT .. ':reservation:' .. ARGV[1]
local row = redis.call('HMGET', reservation, 'state', 'claims', 'owner')
if row[1] == 'open' then
  for _, claim in ipairs(parse(row[2])) do
    add(claim, 'reserved', negative(claim.amount))
  end
  close(ARGV[1], row[3])
  redis.call('DEL', reservation)
end
if row[1] ~= 'charged' then
  redis.call('HSET', reservation, 'state', 'abandoned')
  redis.call('EXPIRE', reservation, SECONDS)
end
return {time[1], time[2]}
