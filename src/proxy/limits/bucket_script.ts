/**
 * The token bucket of policy/token_bucket.ts as a script, by Redis' own clock: whoever asks, all
 * share one account. KEYS[1] is the bucket; ARGV: burst, tokens, the time in ms in which so many
 * come back. Returns whether a token was taken (1 or 0), whole tokens left, microseconds until
 * there is one, and until the bucket is full. A full bucket needs no key: it expires then.
 */
export const BUCKET_SCRIPT = `
local burst, perUs = tonumber(ARGV[1]), tonumber(ARGV[3]) * 1000 / tonumber(ARGV[2])
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local tokens, at = burst, now
local kept = redis.call("GET", KEYS[1])
if kept then
  local keptTokens, keptAt = string.match(kept, "^(%S+) (%S+)$")
  tokens, at = tonumber(keptTokens) or burst, tonumber(keptAt) or now
end
if now > at then tokens = tokens + (now - at) / perUs else now = at end
if tokens > burst then tokens = burst end
local allowed = 0
if tokens >= 1 - 1e-9 then
  allowed = 1
  tokens = math.max(0, tokens - 1)
end
local reset = (burst - tokens) * perUs
local forgetMs = math.ceil(reset / 1000) + 1000
redis.call("SET", KEYS[1], string.format("%.17g %.0f", tokens, now), "PX", forgetMs)
local retry = 0
if tokens < 1 then retry = (1 - tokens) * perUs end
return { allowed, math.floor(tokens + 1e-9), math.ceil(retry), math.ceil(reset) }
`.trim();
