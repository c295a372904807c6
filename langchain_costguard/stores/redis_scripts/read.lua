-- What counters hold, what operators have set and changed, and which processes have reservations.
local what, answer = ARGV[1], {}
if what == 'counters' then
  local budgets = ARGV[2] == '' and redis.call('SMEMBERS', ROOT .. ':budgets') or cjson.decode(ARGV[2])
  for _, budget in ipairs(budgets) do
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', ROOT .. ':budget:' .. budget, ARGV[3], '+inf')) do
      answer[#answer + 1] = redis.call('HMGET', key, 'budget', 'counter', 'slot', 'unit', 'spent', 'reserved',
        'unsettled', 'overrun', 'refused', 'frozen', 'crossed')
    end
  end
elseif what == 'settings' then
  for _, budget in ipairs(redis.call('SMEMBERS', ROOT .. ':changed')) do
    local setting = redis.call('HMGET', ROOT .. ':settings', 'l:' .. budget, 'f:' .. budget)
    answer[#answer + 1] = {budget, setting[1], setting[2]}
  end
elseif what == 'changes' then
  answer = redis.call('LRANGE', ROOT .. ':changes', 0, -1)
elseif what == 'owners' then
  answer = redis.call('SMEMBERS', ROOT .. ':owners')
else
  local found = window(parse(ARGV[2])[1])
  answer = {join(found.frozen and ZERO or plus(found.limit, negative(plus(found.spent, found.reserved))))}
end
return {time[1], time[2], answer}
