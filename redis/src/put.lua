-- Puts a revocation list (SPEC.md, Revocation list) into the set, and sends it as news if the set did not have all of it.
-- KEYS: the set, the stream. ARGV: the list; how many news the stream keeps; the id of the news that was put before, or ''.
-- Returns how much was new to the set, the id of the latest news, and whether the news before is there.
local list = ARGV[1]
local has_before = (ARGV[3] == '' or #redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3]) > 0) and 1 or 0
local entries = {}
for at = 18, #list, 12 do
  entries[#entries + 1] = struct.unpack('>I4', list, at + 8)
  entries[#entries + 1] = string.sub(list, at, at + 7)
end
local new = 0
if #entries > 0 then
  new = redis.call('ZADD', KEYS[1], 'GT', 'CH', unpack(entries))
end
local cut_off = struct.unpack('>I4', list, 6)
if cut_off > 0 then
  local member = string.format('cut-off:%010d', cut_off)
  local lower, is_kept = {}, false
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')) do
    if string.match(other, '^cut%-off:%d%d%d%d%d%d%d%d%d%d$') then
      if other < member then lower[#lower + 1] = other else is_kept = true end
    end
  end
  if not is_kept then
    redis.call('ZADD', KEYS[1], '+inf', member)
    if #lower > 0 then redis.call('ZREM', KEYS[1], unpack(lower)) end
    new = new + 1
  end
end
if new > 0 then
  return { new, redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'list', list), has_before }
end
local latest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return { new, latest[1] and latest[1][1] or '0-0', has_before }
