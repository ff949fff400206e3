/** Types of build.js, for tests. */
export function build(root?: string): boolean
export function fingerprint(): string
