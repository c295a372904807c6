-- Charge what nobody reserved; a repetition of the same charge changes nothing.
local SECONDS = 3600
local id, amounts, crossings = ARGV[1], cjson.decode(ARGV[3]), {}
if redis.call('SET', ROOT .. ':charge:' .. id, '1', 'NX', 'EX', SECONDS) then
  for number, claim in ipairs(parse(ARGV[2])) do
    local amount, freezes = split(amounts[number][1]), amounts[number][2]
    book(claim, amount, amount, freezes, freezes, crossings)
  end
end
return {time[1], time[2], crossings}
