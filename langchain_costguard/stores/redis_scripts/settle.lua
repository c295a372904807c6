-- Take back what a reservation holds, or was charged when its owner was thought gone, and charge what was used.
local id, amounts = ARGV[1], cjson.decode(ARGV[3])

local reservation = ROOT .. ':reservation:' .. id
local crossings, held = {}, {}
local row = redis.call('HMGET', reservation, 'state', 'claims', 'owner')
if row[1] ~= 'open' and row[1] ~= 'charged' and row[1] ~= 'released' then
  return {time[1], time[2], 0, crossings}
end
for _, claim in ipairs(parse(row[2])) do
  held[claim.key] = plus(held[claim.key] or ZERO, claim.amount)
  if row[1] == 'open' then
    add(claim, 'reserved', negative(claim.amount))
  elseif row[1] == 'charged' and claim.charges_lost then
    add(claim, 'spent', negative(claim.amount))
    add(claim, 'unsettled', negative(claim.amount))
  end
end
close(id, row[3])
redis.call('DEL', reservation)
for number, claim in ipairs(parse(ARGV[2])) do
  local amount, freezes = split(amounts[number][1]), amounts[number][2]
  book(claim, amount, plus(amount, negative(held[claim.key] or ZERO)), freezes, true, crossings)
end
return {time[1], time[2], 1, crossings}
