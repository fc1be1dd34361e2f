/** Calls that must not all be under way at once. */

/** The same call, with no more than `atOnce` of it under way; the others wait for their turn, in order. */
export function inTurns<Argument, Result>(
  call: (argument: Argument) => Promise<Result>,
  atOnce: number,
): (argument: Argument) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return async (argument) => {
    if (underWay < atOnce) underWay += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await call(argument);
    } finally {
      const next = waiting.shift();
      // The turn is handed on, so that nobody comes in between.
      if (next === undefined) underWay -= 1;
      else next();
    }
  };
}
