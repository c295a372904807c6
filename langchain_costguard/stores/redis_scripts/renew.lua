-- Have the leases of an owner's open reservations end so much from now.
local ids = redis.call('SMEMBERS', ROOT .. ':own:' .. ARGV[1])
for _, id in ipairs(ids) do
  redis.call('ZADD', ROOT .. ':open', 'XX', whole(NOW_US + ARGV[2]), id)
end
return {time[1], time[2], #ids}
