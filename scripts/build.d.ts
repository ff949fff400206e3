/** Types of build.js, for tests. */
export function build(root?: string): boolean
export function buildOrExit(): void
export function fingerprint(): string
