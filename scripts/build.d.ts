/** Types of build.js, for tests. */
export function buildModules(root?: string): boolean
export function bundle(root?: string): Promise<boolean>
export function inAscii(code: string): string
export function isBundled(root?: string): boolean
export function buildOrExit<Result>(step: () => Result): Promise<Awaited<Result>>
export function fingerprint(): string
