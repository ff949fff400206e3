// A client of the AgentPost API, for Martlet; index.d.ts documents it.
import { Realtime } from './realtime.js'
import { AgentPostError, Transport } from './transport.js'

export { AgentPostError }

export class AgentPost {
  constructor({ apiKey, environment, baseUrl } = {}) {
    const transport = new Transport({ apiKey, environment, baseUrl })
    this.inboxes = new Inboxes(transport)
    this.messages = new Messages(transport)
    this.threads = new Threads(transport)
    this.drafts = new Drafts(transport)
    this.attachments = new Attachments(transport)
    this.environments = new Collection(transport, '/environments')
    this.apiKeys = new Scoped(transport, '/api-keys')
    this.domains = new Domains(transport, '/domains')
    this.webhooks = new Webhooks(transport, '/webhooks')
    this.metrics = new Metrics(transport)
    this.org = new Org(transport)
    this.realtime = new Realtime(transport)
  }
}

export default AgentPost

/** Objects of one kind below one path. */
class Collection {
  constructor(transport, path) {
    this.transport = transport
    this.path = path
  }

  create(body) {
    return this.transport.call('POST', this.path, { body })
  }

  list(query) {
    return this.transport.call('GET', this.path, { query })
  }

  get(id) {
    return this.transport.call('GET', `${this.path}/${segment(id)}`)
  }

  delete(id) {
    return this.transport.call('DELETE', `${this.path}/${segment(id)}`)
  }
}

/** The same, in the environment of the client unless another one is named. */
class Scoped extends Collection {
  async create(body) {
    return super.create(await this.transport.inEnvironment(body))
  }

  async list(query) {
    return super.list(await this.transport.inEnvironment(query))
  }
}

class Inboxes extends Scoped {
  constructor(transport) {
    super(transport, '/inboxes')
  }

  update(id, body) {
    return this.transport.call('PATCH', `${this.path}/${segment(id)}`, { body })
  }
}

class Domains extends Scoped {
  verify(id) {
    return this.transport.call('POST', `${this.path}/${segment(id)}/verify`)
  }
}

class Webhooks extends Scoped {
  update(id, body) {
    return this.transport.call('PATCH', `${this.path}/${segment(id)}`, { body })
  }

  rotateSecret(id) {
    return this.transport.call('POST', `${this.path}/${segment(id)}/rotate-secret`)
  }
}

class Labelled {
  constructor(transport, path) {
    this.transport = transport
    this.path = path
  }

  get(id, query) {
    return this.transport.call('GET', `${this.path}/${segment(id)}`, { query })
  }

  delete(id) {
    return this.transport.call('DELETE', `${this.path}/${segment(id)}`)
  }

  addLabels(id, labels) {
    return this.transport.call('POST', `${this.path}/${segment(id)}/labels`, { body: { labels: listOf(labels) } })
  }

  removeLabels(id, labels) {
    return this.transport.call('DELETE', `${this.path}/${segment(id)}/labels`, { body: { labels: listOf(labels) } })
  }
}

class Messages extends Labelled {
  constructor(transport) {
    super(transport, '/messages')
  }

  send(inboxId, body, { idempotencyKey } = {}) {
    return this.transport.call('POST', `/inboxes/${segment(inboxId)}/messages`, { body, idempotencyKey })
  }

  list(inboxId, query) {
    return this.transport.call('GET', `/inboxes/${segment(inboxId)}/messages`, { query })
  }

  reply(id, body, { idempotencyKey } = {}) {
    return this.transport.call('POST', `/messages/${segment(id)}/reply`, { body, idempotencyKey })
  }

  forward(id, body, { idempotencyKey } = {}) {
    return this.transport.call('POST', `/messages/${segment(id)}/forward`, { body, idempotencyKey })
  }
}

class Threads extends Labelled {
  constructor(transport) {
    super(transport, '/threads')
  }

  list(inboxId, query) {
    return this.transport.call('GET', `/inboxes/${segment(inboxId)}/threads`, { query })
  }
}

class Drafts {
  constructor(transport) {
    this.transport = transport
  }

  create(inboxId, body) {
    return this.transport.call('POST', `/inboxes/${segment(inboxId)}/drafts`, { body })
  }

  list(inboxId, query) {
    return this.transport.call('GET', `/inboxes/${segment(inboxId)}/drafts`, { query })
  }

  get(id) {
    return this.transport.call('GET', `/drafts/${segment(id)}`)
  }

  update(id, body) {
    return this.transport.call('PATCH', `/drafts/${segment(id)}`, { body })
  }

  delete(id) {
    return this.transport.call('DELETE', `/drafts/${segment(id)}`)
  }

  send(id, { idempotencyKey } = {}) {
    return this.transport.call('POST', `/drafts/${segment(id)}/send`, { idempotencyKey })
  }
}

class Attachments {
  constructor(transport) {
    this.transport = transport
  }

  getUploadUrl({ filename, mime_type, mimeType, size }) {
    const body = { filename, mime_type: mime_type ?? mimeType, size }
    return this.transport.call('POST', '/attachments/upload-url', { body })
  }

  async upload({ filename, mime_type, mimeType, content }) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    const type = mime_type ?? mimeType ?? 'application/octet-stream'
    const { upload_url, key } = await this.getUploadUrl({ filename, mime_type: type, size: bytes.byteLength })
    await this.transport.put(upload_url, bytes, type)
    return { key, filename, mime_type: type }
  }

  get(id) {
    return this.transport.call('GET', `/attachments/${segment(id)}`)
  }
}

class Metrics {
  constructor(transport) {
    this.transport = transport
  }

  async get(query) {
    return this.transport.call('GET', '/metrics', { query: await this.transport.inEnvironment(query) })
  }

  async rates(query) {
    return this.transport.call('GET', '/metrics/rates', { query: await this.transport.inEnvironment(query) })
  }
}

class Org {
  constructor(transport) {
    this.transport = transport
  }

  get() {
    return this.transport.call('GET', '/org')
  }

  invite(body) {
    return this.transport.call('POST', '/org/invitations', { body })
  }

  listInvitations() {
    return this.transport.call('GET', '/org/invitations')
  }

  revokeInvitation(id) {
    return this.transport.call('DELETE', `/org/invitations/${segment(id)}`)
  }
}

function segment(id) {
  if (typeof id !== 'string' || id === '') throw new TypeError('An id must be a text that is not empty')
  return encodeURIComponent(id)
}

/** Labels are given as a list, or as `{ labels }`. */
function listOf(labels) {
  return Array.isArray(labels) ? labels : labels.labels
}
