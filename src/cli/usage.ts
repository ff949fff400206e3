/** The help of the command line: one text per command. */

interface CommandHelp {
  readonly name: string
  /** Arguments in one line. */
  readonly usage: string
  readonly summary: string
  /** Shown only in the help of the command. */
  readonly details?: string
}

const ANY_SERVER = `It connects to the running server, at --url, or on this machine at the configured port. It authenticates with MARTLET_ROOT_KEY, or with
the key in the data folder.`

const commands: readonly CommandHelp[] = [
  {
    name: 'serve',
    usage: '[--paused]',
    summary: 'run the server (the default)',
    details: `--paused: begin with outbound mail and webhooks paused. The pause is stored in the database: it survives restarts, and
applies to all servers with this database, until "martlet resume" ends it.`,
  },
  {
    name: 'resume',
    usage: '[--url URL]',
    summary: 'resume outbound mail and webhooks on the running server',
    details: ANY_SERVER,
  },
  {
    name: 'unsuppress',
    usage: 'ADDRESS [--organization ID] [--url URL]',
    summary: 'let the running server send again to an address to which mail bounced',
    details: `Without --organization: in all organizations. Exits with 1 if the address is not suppressed.
${ANY_SERVER}`,
  },
  {
    name: 'search',
    usage: 'rebuild [--url URL]',
    summary: 'make the text index again on the running server',
    details: `The index repairs itself; use this if a search misses a message.
${ANY_SERVER}`,
  },
  { name: 'migrate', usage: '', summary: 'migrate the database schema and exit' },
  {
    name: 'check',
    usage: '',
    summary: 'check configuration, ports, disk, database, DNS and relay; exit with 1 if a check fails',
    details: `It creates and changes nothing, and can run beside the server. It prints the DKIM record to publish, looks at the DNS records of
MARTLET_DOMAIN and MARTLET_HOSTNAME, and logs in at the relay without sending anything.`,
  },
  {
    name: 'backup',
    usage: 'FILE',
    summary: 'save the SQLite database, large messages and root key to one file, even while the server runs',
    details:
      'FILE is a tar archive, readable by its owner only. Its folder needs free space for two copies of the database.',
  },
  {
    name: 'restore',
    usage: 'FILE',
    summary: 'restore a backup into the data folder, with outbound mail and webhooks paused',
    details: 'The data folder must contain no database. The settings and TLS files are not part of a backup.',
  },
  {
    name: 'key',
    usage: 'create [--name NAME] [--url URL]',
    summary: 'create an API key on the running server',
    details: `The key may do everything in the organization. The API makes keys that may do less (docs/permissions.md).
${ANY_SERVER}`,
  },
  {
    name: 'app-password',
    usage: 'create|list|rotate|delete INBOX [ID] [--name NAME] [--json] [--url URL]',
    summary: 'manage the passwords with which mail programs open an inbox',
    details: `create: make a password for the inbox, and print it; it is shown only once. rotate: replace a password; the old one stops
working at once. delete: revoke it. The user name of the mail program is the address of the inbox.
${ANY_SERVER}`,
  },
  {
    name: 'domain',
    usage: 'list|add|check [DOMAIN] [--send-only] [--json] [--url URL]',
    summary: 'list, add or check domains of the organization',
    details: `add: claim a domain, and print the DNS records to publish; with --send-only none for receiving mail (also for a domain that
was added before). check: look at its DNS records now, and print the expected
value beside the one in DNS; exit with 1 unless the domain is verified.
${ANY_SERVER}`,
  },
  {
    name: 'queue',
    usage: 'list|hold|release|cancel|retry [options]',
    summary: 'list or change the recipients that wait for delivery',
    details: `  queue list [--state queued|held] [--domain DOMAIN] [--inbox ADDRESS] [--json] [--url URL]
      list recipients that wait for delivery; queued includes those that are being delivered; --json: every member, one
      recipient per line
  queue hold|release|cancel|retry [ID...] [--state STATE] [--domain DOMAIN] [--inbox ADDRESS] [--all]
      [--via relay|direct] [--json] [--url URL]
      hold: stop delivery; release: deliver held recipients, through the relay or directly to the domain's mail servers,
      and also if MARTLET_OUTBOUND=capture has held them; cancel: remove permanently; retry: attempt delivery now;
      --all: every recipient in the queue; exit with 1 if an ID matches nothing

${ANY_SERVER}`,
  },
]

/** Texts and documentation write the short name, which is in the PATH only after an installation with -g. */
const HOW_TO_RUN =
  'Where no command "martlet" exists: "node dist/cli.js" in a clone, "npx martlet" in the folder of an installation.\n'

const WIDTH = 22

export function isCommand(name: string): boolean {
  return commands.some((command) => command.name === name)
}

/** @param name of a command; undefined or unknown: the overview */
export function usage(name?: string): string {
  const command = commands.find((each) => each.name === name)
  if (!command) return overview()
  const details = command.details === undefined ? '' : `\n${command.details}\n`
  return `Usage: martlet ${line(command)}\n\n${sentence(command.summary)}\n${details}\n${HOW_TO_RUN}`
}

function overview(): string {
  const lines = commands.map((command) => {
    const text = line(command)
    return text.length > WIDTH - 4
      ? `  ${text}\n${' '.repeat(WIDTH)}${command.summary}`
      : `  ${text.padEnd(WIDTH - 2)}${command.summary}`
  })
  return `Usage: martlet <command>

${lines.join('\n')}
  --version           print the version
  --help              print this text; after a command: its own help

Settings are environment variables, listed in docs/configuration.md.
${HOW_TO_RUN}`
}

function line({ name, usage: args }: CommandHelp): string {
  return `${name} ${args}`.trim()
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`
}
