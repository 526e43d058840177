-- Looks whether the set and the stream are those that a server knows; makes what is missing, and prunes what has ended.
-- KEYS: the set, the stream. ARGV: the time of the server in Unix seconds, and how many seconds the clocks may be apart
-- (if they are further apart, nothing is pruned, since either may be wrong); then ids of news, or '' for none.
-- Returns the time, what the set keeps for ever, the id of the latest news, and whether each of the ids is there.
local time = redis.call('TIME')
if math.abs(time[1] - ARGV[1]) <= tonumber(ARGV[2]) then
  -- At most a thousand at once, so that nobody waits long. They are the first by rank.
  local ended = math.min(redis.call('ZCOUNT', KEYS[1], '-inf', time[1]), 1000)
  if ended > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, ended - 1) end
end
if redis.call('ZCOUNT', KEYS[1], '+inf', '+inf') > 1000 then
  return redis.error_reply('ERR over 1000 members of ' .. KEYS[1] .. ' have the score +inf; find out who writes there')
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
if latest == '18446744073709551615-18446744073709551615' then
  return redis.error_reply('ERR ' .. KEYS[2] .. ' has the last id that there is, so it takes no more news; delete it')
end
local is_there = {}
for at = 3, #ARGV do
  is_there[at - 2] = ARGV[at] ~= '' and #redis.call('XRANGE', KEYS[2], ARGV[at], ARGV[at]) or 0
end
return { tonumber(time[1]), kept, latest, is_there }
