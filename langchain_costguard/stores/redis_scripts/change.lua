-- Do what an operator asks, and keep it with when and by whom.
local budget, action, limit, note, change = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local settings = ROOT .. ':settings'
redis.call('SADD', ROOT .. ':changed', budget)
redis.call('RPUSH', ROOT .. ':changes', whole(NOW_US) .. ' ' .. change)
if action == 'freeze' then
  redis.call('HSET', settings, 'f:' .. budget, note)
else
  if action == 'unfreeze' then
    redis.call('HDEL', settings, 'f:' .. budget)
  elseif limit == '' then
    redis.call('HDEL', settings, 'l:' .. budget)
  else
    redis.call('HSET', settings, 'l:' .. budget, limit)
  end
  for _, key in ipairs(redis.call('SMEMBERS', ROOT .. ':frozen:' .. budget)) do
    redis.call('HDEL', key, 'frozen', 'alarmed')
  end
  redis.call('DEL', ROOT .. ':frozen:' .. budget)
end
return {time[1], time[2]}
