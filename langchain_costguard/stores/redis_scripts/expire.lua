-- Charge or release what belongs to owners who are gone, or has no lease any more.
local crossings = {}
expire(ARGV[1], ARGV[2], crossings)
return {time[1], time[2], crossings}
