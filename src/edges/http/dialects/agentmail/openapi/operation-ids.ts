/**
 * Names operations as the SDKs of AgentMail do: the resource, then the method, in snake case. `inboxes.messages.getRaw` of
 * npm is `inboxes_messages_get_raw`. The names follow from method and path, so that a new route needs no entry here; the
 * exceptions are the SDK's own. test/dialects/agentmail/openapi.test.ts compares them with the SDK.
 */

/** Words at the end of a path that are resources, not actions; a GET of one lists it. */
const RESOURCES = new Set([
  ...[
    'inboxes',
    'messages',
    'threads',
    'drafts',
    'domains',
    'webhooks',
    'lists',
    'api_keys',
    'pods',
    'events',
    'queue',
  ],
  ...['accounts', 'providers', 'apps', 'aliases', 'app_passwords', 'files', 'polling', 'verified_senders'],
])

/** By method and the last one or two words of a path; `{}` stands for a parameter at its end. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'GET organizations': 'organizations_get',
  'GET organizations/labs': 'organizations_get_labs',
  'POST organizations/labs': 'organizations_join_labs',
  'GET auth/me': 'auth_me',
  'POST agent/human': 'agent_attach_human',
  'GET metrics/events': 'metrics_query_events',
  'GET metrics/usage': 'metrics_query_usage',
  'GET metrics/rates': 'metrics_query_rates',
  'GET webhooks/headers': 'webhooks_get_headers',
  'PATCH webhooks/headers': 'webhooks_update_headers',
  'GET messages/raw': 'messages_get_raw',
  'GET messages/attachments/{}': 'messages_get_attachment',
  'GET threads/attachments/{}': 'threads_get_attachment',
  'GET drafts/attachments/{}': 'drafts_get_attachment',
  'GET domains/zone-file': 'domains_get_zone_file',
  'GET domains/setup-link': 'domains_get_setup_link',
  'GET apps/accounts': 'apps_list_accounts',
  'GET providers/accounts': 'providers_list_accounts',
  'POST agent-armor/feedback': 'create_agent_armor_feedback',
  'POST agent-armor/release': 'release_agent_armor_message',
  'GET calendar': 'calendar_get',
  'PATCH calendar': 'calendar_update',
  'GET calendar/agenda': 'calendar_get_agenda',
  'GET calendar/events': 'calendar_list_events',
  'POST calendar/events': 'calendar_create_event',
  'GET calendar/events/{}': 'calendar_get_event',
  'PATCH calendar/events/{}': 'calendar_update_event',
  'DELETE calendar/events/{}': 'calendar_delete_event',
  'GET events/instances': 'list_event_instances',
  'POST events/respond': 'respond_to_event',
  // Not in the SDK of today:
  'GET metrics': 'metrics_query',
  'POST messages': 'messages_send_older',
  'PUT webhooks/{}': 'webhooks_replace',
  'GET downloads/{}': 'downloads_get',
  'GET outbound': 'outbound_get',
  'GET capabilities': 'capabilities_get',
  'GET messages/deliveries': 'messages_list_deliveries',
  'GET webhooks/deliveries': 'webhooks_list_deliveries',
  'GET webhooks/deliveries/{}': 'webhooks_get_delivery',
}

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PATCH: 'update', PUT: 'replace', DELETE: 'delete' }

/** @param path with `{name}` for parameters, without the prefix of the dialect */
export function operationId(method: string, path: string): string {
  const words = path.split('/').filter((segment) => segment !== '' && !segment.startsWith('{'))
  const isOne = path.endsWith('}') && !path.endsWith('/lists/{direction}/{type}') // that one is a list
  for (const count of [2, 1]) {
    const found = EXCEPTIONS[`${method} ${words.slice(-count).join('/')}${isOne ? '/{}' : ''}`]
    if (found !== undefined) return [...words.slice(0, -count), found].join('_').replaceAll('-', '_')
  }
  const names = words.join('_').replaceAll('-', '_')
  if (isOne) return `${names}_${VERBS[method] ?? 'get'}`
  const isAction = !RESOURCES.has(words.at(-1)!.replaceAll('-', '_')) // send, search, verify
  return isAction ? names : `${names}_${VERBS[method] ?? 'list'}`
}
