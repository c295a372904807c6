-- What every step shares: where counters are kept, what a window holds, and how something is charged.
--
-- All keys begin with KEYS[1], whose braces put them into one slot of a cluster:
--   ROOT:slot:SLOT:COUNTER     hash    what a counter holds in one slot of time
--   ROOT:slots:COUNTER         zset    the counter's slots, by their time
--   ROOT:budget:BUDGET         zset    the slots of all counters of a budget, by their time
--   ROOT:budgets               set     the budgets
--   ROOT:frozen:BUDGET         set     the slots that an overrun has frozen or that have told of one
--   ROOT:settings              hash    operators' limits (l:BUDGET) and freezes (f:BUDGET)
--   ROOT:changed               set     the budgets that operators have changed
--   ROOT:changes               list    operators' changes
--   ROOT:reservation:ID        hash    a reservation that has not ended
--   ROOT:open                  zset    open reservations, by the end of their lease
--   ROOT:owners, ROOT:own:OWNER  sets  processes with open reservations, and which
--   ROOT:charge:ID             string  a charge that was booked, for an hour
-- Amounts have 64 bits, Lua's numbers only 53: Redis adds them, and what is compared is split at nine digits.

local ROOT = KEYS[1]
local PPM = 1000000
local HALF = 1000000000
local LARGEST_UPPER = 9000000000
local LATE_SECONDS = 90 * 86400
local time = redis.call('TIME')
local NOW_US = time[1] * 1000000 + time[2]

local function whole(number)
  return string.format('%.0f', number)
end

-- An amount as its upper part and its lower nine digits, which are never negative.
local function split(text)
  local sign, digits = string.match(text, '^(-?)(%d+)$')
  local upper, lower = tonumber(string.sub(digits, 1, -10)) or 0, tonumber(string.sub(digits, -9))
  if sign == '-' then
    upper, lower = -upper, -lower
  end
  local carry = math.floor(lower / HALF)
  return {upper + carry, lower - carry * HALF}
end

local function plus(left, right)
  local lower = left[2] + right[2]
  local carry = math.floor(lower / HALF)
  return {left[1] + right[1] + carry, lower - carry * HALF}
end

local function negative(amount)
  return plus({-amount[1], -amount[2]}, {0, 0})
end

local function exceeds(left, right)
  return left[1] > right[1] or (left[1] == right[1] and left[2] > right[2])
end

local function join(amount)
  local sign = ''
  if amount[1] < 0 then
    sign, amount = '-', negative(amount)
  end
  return sign .. (amount[1] == 0 and whole(amount[2]) or string.format('%.0f%09.0f', amount[1], amount[2]))
end

local ZERO = {0, 0}

local function parse(text)
  local claims = {}
  for line in string.gmatch(text, '[^\n]+') do
    local field = cjson.decode(line)
    claims[#claims + 1] = {
      text = line, budget = field[1], counter = field[2], slot = field[3], since = field[4], unit = field[5],
      amount = split(field[6]), limit = split(field[7]), refuses = field[8], charges_lost = field[9], alerts = field[10],
      key = ROOT .. ':slot:' .. whole(field[3]) .. ':' .. field[2],
    }
  end
  return claims
end

-- The sums over the slots that count against a claim's limit, and the limit in force.
local function window(claim)
  local found = {spent = ZERO, reserved = ZERO, refused = 0, frozen = false, alarmed = false, crossed = {}}
  local slots = {whole(claim.slot)}
  if claim.since < claim.slot then
    slots = redis.call('ZRANGEBYSCORE', ROOT .. ':slots:' .. claim.counter, whole(claim.since), '+inf')
  end
  for _, slot in ipairs(slots) do
    local row = redis.call('HMGET', ROOT .. ':slot:' .. slot .. ':' .. claim.counter,
      'spent', 'reserved', 'refused', 'frozen', 'alarmed', 'crossed')
    found.spent = plus(found.spent, split(row[1] or '0'))
    found.reserved = plus(found.reserved, split(row[2] or '0'))
    found.refused = found.refused + (row[3] or 0)
    found.frozen = found.frozen or row[4]
    found.alarmed = found.alarmed or row[5]
    for ppm in string.gmatch(row[6] or '', '%d+') do
      found.crossed[ppm] = true
    end
  end
  local setting = redis.call('HMGET', ROOT .. ':settings', 'l:' .. claim.budget, 'f:' .. claim.budget)
  found.limit = setting[1] and split(setting[1]) or claim.limit
  found.frozen = setting[2] or found.frozen
  return found
end

-- Have a slot known to those who look for it, when it is first written.
local function touch(claim)
  if redis.call('HSETNX', claim.key, 'budget', claim.budget) == 1 then
    local slot = whole(claim.slot)
    redis.call('HSET', claim.key, 'counter', claim.counter, 'slot', slot, 'unit', claim.unit)
    redis.call('ZADD', ROOT .. ':slots:' .. claim.counter, slot, slot)
    redis.call('ZADD', ROOT .. ':budget:' .. claim.budget, slot, claim.key)
    redis.call('SADD', ROOT .. ':budgets', claim.budget)
  end
end

local function add(claim, field, amount)
  if amount[1] ~= 0 or amount[2] ~= 0 then
    redis.call('HINCRBY', claim.key, field, join(amount))
  end
end

local function crossing(claim, kind, share, found)
  return {claim.text, kind, whole(share), join(found.limit), join(found.spent), join(found.reserved)}
end

-- Report the thresholds that spending has reached and that nobody was told of.
local function alert(claim, crossings)
  if #claim.alerts == 0 then
    return
  end
  local found = window(claim)
  for _, ppm in ipairs(claim.alerts) do
    local upper = math.floor(found.limit[1] * ppm / PPM)
    local rest = found.limit[1] * ppm - upper * PPM
    local threshold = plus({upper, rest * (HALF / PPM) + math.ceil(found.limit[2] * ppm / PPM)}, ZERO)
    if not exceeds(threshold, found.spent) and not found.crossed[whole(ppm)] then
      local crossed = redis.call('HGET', claim.key, 'crossed')
      redis.call('HSET', claim.key, 'crossed', (crossed and crossed .. ',' or '') .. whole(ppm))
      crossings[#crossings + 1] = crossing(claim, 'threshold', ppm, found)
    end
  end
end

-- Charge an amount, of which so much is above what had been reserved.
local function book(claim, amount, above, freezes, tells, crossings)
  touch(claim)
  add(claim, 'spent', amount)
  if exceeds(above, ZERO) then
    add(claim, 'overrun', above)
    if freezes and not redis.call('HGET', claim.key, 'frozen') then
      redis.call('HSET', claim.key, 'frozen', 'a call cost more than was reserved for it')
      redis.call('SADD', ROOT .. ':frozen:' .. claim.budget, claim.key)
    end
    local found = window(claim)
    if tells and not found.alarmed then
      redis.call('HSET', claim.key, 'alarmed', '1')
      redis.call('SADD', ROOT .. ':frozen:' .. claim.budget, claim.key)
      crossings[#crossings + 1] = crossing(claim, 'overrun', -1, found)
    end
  end
  if exceeds(amount, ZERO) then
    alert(claim, crossings)
  end
end

-- An open reservation is open no more; whoever calls this deals with its row.
local function close(id, owner)
  redis.call('ZREM', ROOT .. ':open', id)
  redis.call('SREM', ROOT .. ':own:' .. owner, id)
  if redis.call('EXISTS', ROOT .. ':own:' .. owner) == 0 then
    redis.call('SREM', ROOT .. ':owners', owner)
  end
end

-- Charge or release, as its claims say, a reservation whose owner is gone.
local function lose(id, crossings)
  local reservation = ROOT .. ':reservation:' .. id
  local row = redis.call('HMGET', reservation, 'state', 'claims', 'owner')
  if row[1] ~= 'open' then
    return
  end
  local is_charged = false
  for _, claim in ipairs(parse(row[2])) do
    add(claim, 'reserved', negative(claim.amount))
    if claim.charges_lost then
      is_charged = true
      add(claim, 'unsettled', claim.amount)
      book(claim, claim.amount, ZERO, false, false, crossings)
    end
  end
  close(id, row[3])
  redis.call('HSET', reservation, 'state', is_charged and 'charged' or 'released')
  redis.call('EXPIRE', reservation, LATE_SECONDS)
end

-- Lose what owners hold who are gone, and what has no lease any more and no owner who is known to live.
local function expire(gone, living, crossings)
  for _, owner in ipairs(cjson.decode(gone)) do
    for _, id in ipairs(redis.call('SMEMBERS', ROOT .. ':own:' .. owner)) do
      lose(id, crossings)
    end
  end
  local lives = {}
  for _, owner in ipairs(cjson.decode(living)) do
    lives[owner] = true
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ROOT .. ':open', '-inf', whole(NOW_US))) do
    local owner = redis.call('HGET', ROOT .. ':reservation:' .. id, 'owner')
    if not lives[owner] then
      lose(id, crossings)
    end
  end
end

