-- Reserve every claim of a new reservation, or of more of an open one, or none.
local id, owner, lease_us, text, extends = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local is_final, gone, living, is_tentative = ARGV[6] == '1', ARGV[7], ARGV[8], ARGV[9] == '1'

local reservation = ROOT .. ':reservation:' .. id
local refusals, exceeded, crossings = {}, {}, {}
local state = redis.call('HGET', reservation, 'state')
if state ~= (extends and 'open') then
  return {time[1], time[2], state or 'unknown', refusals, exceeded, crossings, {}}
end
local claims, units = parse(text), {}
for number, claim in ipairs(claims) do
  local unit = units[claim.key] or redis.call('HGET', claim.key, 'unit') or claim.unit
  if unit ~= claim.unit then
    return {time[1], time[2], 'unit', {whole(number - 1), unit}, exceeded, crossings, {}}
  end
  units[claim.key] = unit
end
if is_final then
  expire(gone, living, crossings)
end

local function refusal(number, found)
  local reason, note = 'full', ''
  if found.frozen then
    reason, note = 'frozen', found.frozen
  end
  return {whole(number - 1), join(found.limit), join(found.spent), join(found.reserved), reason, note}
end

local function count_refusal(claim, found)
  touch(claim)
  if claim.refuses and found.refused == 0 then
    crossings[#crossings + 1] = crossing(claim, 'refused', -1, found)
  end
  redis.call('HINCRBY', claim.key, 'refused', 1)
end

local refused, admitted_anyway = {}, {}
for number, claim in ipairs(claims) do
  local found = window(claim)
  local wanted = plus(plus(found.spent, found.reserved), claim.amount)
  if found.frozen or exceeds(wanted, found.limit) then
    if claim.refuses then
      refused[#refused + 1] = {claim, found}
      refusals[#refusals + 1] = refusal(number, found)
    else
      if wanted[1] > LARGEST_UPPER then
        error('TOO LARGE')
      end
      admitted_anyway[#admitted_anyway + 1] = {claim, found}
      exceeded[#exceeded + 1] = refusal(number, found)
    end
  end
end

if #refused > 0 then
  if not is_final then
    local owners = redis.call('SMEMBERS', ROOT .. ':owners')
    if #owners > 1 or (#owners == 1 and owners[1] ~= owner) then
      return {time[1], time[2], 'undecided', refusals, exceeded, crossings, owners}
    end
  end
  for _, pair in ipairs(is_tentative and {} or refused) do
    count_refusal(pair[1], pair[2])
  end
  return {time[1], time[2], 'decided', refusals, {}, crossings, {}}
end

for _, pair in ipairs(admitted_anyway) do
  count_refusal(pair[1], pair[2])
end
for _, claim in ipairs(claims) do
  touch(claim)
  add(claim, 'reserved', claim.amount)
end
if extends then
  redis.call('HSET', reservation, 'claims', redis.call('HGET', reservation, 'claims') .. '\n' .. text)
else
  redis.call('HSET', reservation, 'state', 'open', 'owner', owner, 'claims', text)
  redis.call('ZADD', ROOT .. ':open', whole(NOW_US + lease_us), id)
  redis.call('SADD', ROOT .. ':own:' .. owner, id)
  redis.call('SADD', ROOT .. ':owners', owner)
end
return {time[1], time[2], 'decided', refusals, exceeded, crossings, {}}
