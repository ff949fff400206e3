/**
 * Continues with a value at once if it is there, and otherwise when its promise resolves. For the steps that each message
 * or request takes and that seldom have to wait: promises would take more time than the steps.
 */

/**
 * @returns what `next` returns, without a promise if nothing has to wait
 * @throws what `next` throws, unless it has to wait: then the promise rejects
 */
export function whenReady<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}
