// Calls of Martlet's own for the npm package `agentmail`; agentmail.d.ts documents them.

export function waitForMessage(client, baseUrl, inboxId, query = {}) {
  const path = `/v0/inboxes/${encodeURIComponent(inboxId)}/messages/wait`
  return getJson(client, new URL(path, baseUrl), query)
}

export function listEvents(client, baseUrl, query = {}) {
  return getJson(client, new URL('/v0/events', baseUrl), query)
}

async function getJson(client, url, query) {
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, Array.isArray(value) ? JSON.stringify(value) : String(value))
  }
  // The server waits a minute by default, which is also how long the client waits for a response.
  const timeoutInSeconds = (query.wait_seconds ?? 60) + 30
  const response = await client.fetch(url, undefined, { timeoutInSeconds })
  const body = await response.json()
  if (response.ok) return body
  throw Object.assign(new Error(body.message), { statusCode: response.status, body })
}
