// Requests of the client: base URL, key, environment and errors.

const DEFAULT_URL = 'http://127.0.0.1:8080'

export class AgentPostError extends Error {
  constructor(message, { status, code, field, fix } = {}) {
    super(message)
    this.name = 'AgentPostError'
    this.status = status
    this.code = code
    this.field = field
    this.fix = fix
  }
}

export class Transport {
  #environment
  #environmentId

  constructor({ apiKey = variable('AGENTPOST_API_KEY'), environment, baseUrl = variable('AGENTPOST_BASE_URL') }) {
    if (!apiKey) throw new TypeError('Pass apiKey, or set AGENTPOST_API_KEY')
    this.apiKey = apiKey
    this.origin = originOf(baseUrl ?? DEFAULT_URL)
    this.#environment = environment
  }

  /** Throws AgentPostError for every status but 2xx; returns undefined for 204. */
  async call(method, path, { query = {}, body, idempotencyKey } = {}) {
    const url = new URL(`${this.origin}/api/v1${path}`)
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined || value === null) continue
      for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(each))
    }
    const headers = { authorization: `Bearer ${this.apiKey}` }
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
    const request = { method, headers }
    if (body !== undefined) request.body = JSON.stringify(body)
    return readResponse(await fetch(url, request))
  }

  /** Sends bytes to a signed URL, without the key. */
  async put(url, bytes, contentType) {
    return readResponse(await fetch(url, { method: 'PUT', body: bytes, headers: { 'content-type': contentType } }))
  }

  /** Adds the environment of the client to members that name neither an environment nor an inbox. */
  async inEnvironment(members = {}) {
    if (members.environment_id !== undefined || members.inbox_id !== undefined) return members
    const environment_id = await this.environmentId()
    return environment_id === undefined ? members : { ...members, environment_id }
  }

  /** The id of the environment of the client, which may be given by its slug. */
  async environmentId() {
    if (this.#environment === undefined || this.#environment.startsWith('env_')) return this.#environment
    this.#environmentId ??= this.#findEnvironment(this.#environment).catch((error) => {
      this.#environmentId = undefined // the next call tries again
      throw error
    })
    return this.#environmentId
  }

  async #findEnvironment(slug) {
    for (let cursor; ; ) {
      const page = await this.call('GET', '/environments', { query: { limit: 100, cursor } })
      const found = page.data.find((each) => each.slug === slug)
      if (found) return found.id
      cursor = page.next_cursor
      if (cursor === undefined) throw new AgentPostError(`There is no environment "${slug}"`, { code: 'not_found' })
    }
  }
}

async function readResponse(response) {
  const text = await response.text()
  let body
  try {
    body = text === '' ? undefined : JSON.parse(text)
  } catch {
    body = undefined // a proxy answered
  }
  if (response.ok) return body
  const { message, ...rest } = body?.error ?? {}
  throw new AgentPostError(message ?? `The server responded with ${response.status}`, {
    status: response.status,
    ...rest,
  })
}

/** The documentation writes the base URL with /api/v1; the WebSocket is not below it. */
function originOf(baseUrl) {
  return baseUrl.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
}

/** There is no process in a browser. */
function variable(name) {
  return globalThis.process?.env?.[name] || undefined
}
