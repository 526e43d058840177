-- Looks whether the set and the stream are those that a server knows; makes what is missing, and prunes what has ended.
-- KEYS: the set, the stream. ARGV: two ids of news, or '' for none; the time of the server in Unix seconds, and how many
-- seconds the clocks may be apart: if they are further apart, nothing is pruned, since either may be wrong.
-- Returns the time, what the set keeps for ever, the id of the latest news, and whether each of the two ids is there.
local time = redis.call('TIME')
if math.abs(time[1] - ARGV[3]) <= tonumber(ARGV[4]) then
  -- At most some thousand at once, so that nobody waits long: entries up to the end of the 1,000th, if it has ended.
  local far = redis.call('ZRANGE', KEYS[1], 999, 999, 'WITHSCORES')[2]
  local ended = tonumber(time[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', far and math.min(tonumber(far), ended) or ended)
end
local kept = redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')
local is_made = false
for _, member in ipairs(kept) do
  is_made = is_made or string.sub(member, 1, 5) == 'made:'
end
if not is_made then
  kept[#kept + 1] = 'made:' .. time[1] .. '.' .. time[2]
  redis.call('ZADD', KEYS[1], '+inf', kept[#kept])
end
local latest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
latest = latest[1] and latest[1][1] or redis.call('XADD', KEYS[2], '*', 'made', kept[#kept])
local function is_there(id)
  return id ~= '' and #redis.call('XRANGE', KEYS[2], id, id) or 0
end
return { tonumber(time[1]), kept, latest, is_there(ARGV[1]), is_there(ARGV[2]) }
