/** Which results a PAM stack can have: every way through it, by the rules of libpam's dispatcher. */
import type { Action, Code, Line, Stack } from './stack.ts';

/** One module that was called, and the code that it returned. */
export interface Step {
  readonly line: Line;
  readonly code: Code;
}

/** The codes that a module can return in the case that is examined. */
export type CodesOf = (line: Line) => readonly Code[];

type Impression = 'undefined' | 'positive' | 'negative';

interface Verdict {
  readonly impression: Impression;
  readonly success: boolean;
}

interface State extends Verdict {
  readonly at: number;
  readonly depth: number;
  /** What stood when each enclosing substack began. */
  readonly saved: readonly Verdict[];
  readonly before: State | undefined;
  readonly step: Step | undefined;
}

/** The shortest way through the stack that ends in PAM_SUCCESS; undefined: there is none. */
export function wayToSuccess(stack: Stack, codesOf: CodesOf): readonly Step[] | undefined {
  return search(stack, codesOf, ({ at, success, impression }) => {
    return at >= stack.lines.length && success && impression === 'positive';
  });
}

/** The shortest way through the stack to a step; undefined: there is none. */
export function wayToStep(
  stack: Stack,
  codesOf: CodesOf,
  wanted: (step: Step) => boolean,
): readonly Step[] | undefined {
  return search(stack, codesOf, ({ step }) => step !== undefined && wanted(step));
}

function search(
  stack: Stack,
  codesOf: CodesOf,
  wanted: (state: State) => boolean,
): readonly Step[] | undefined {
  const begin: State = {
    at: 0,
    depth: 0,
    impression: 'undefined',
    success: false,
    saved: [],
    before: undefined,
    step: undefined,
  };
  const seen = new Set<string>();
  const queue = [begin];
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    if (wanted(state)) return stepsTo(state);
    const key = JSON.stringify([state.at, state.depth, state.impression, state.success, state.saved]);
    if (seen.has(key)) continue;
    seen.add(key);
    queue.push(...next(state, stack, codesOf));
  }
  return undefined;
}

function stepsTo(end: State): Step[] {
  const steps: Step[] = [];
  for (let state: State | undefined = end; state !== undefined; state = state.before) {
    if (state.step !== undefined) steps.unshift(state.step);
  }
  return steps;
}

function next(state: State, stack: Stack, codesOf: CodesOf): State[] {
  const entry = stack.lines[state.at];
  if (entry === undefined) return [];
  const { impression, success } = state;
  const saved =
    entry.depth > state.depth
      ? [...state.saved.slice(0, state.depth), { impression, success }]
      : state.saved.slice(0, entry.depth);
  if (entry.kind !== 'call') {
    const verdict = entry.kind === 'substack' ? {} : worse({ impression, success }, false);
    return [{ ...state, ...verdict, at: state.at + 1, depth: entry.depth, saved }];
  }
  return codesOf(entry).map((code) => {
    const action = entry.actions.get(code) ?? 'bad';
    const { verdict, skip } = judge({ impression, success }, action, code, saved[entry.depth - 1]);
    const place = follow(stack, state.at, entry.depth, skip);
    return {
      ...(place.snagged ? { impression: 'negative' as const, success: false } : verdict),
      at: place.at,
      depth: entry.depth,
      saved,
      before: state,
      step: { line: entry, code },
    };
  });
}

/** How many lines to pass over; `rest`: what is left of this stack or substack. */
type Skip = number | 'rest';

function judge(
  verdict: Verdict,
  action: Action,
  code: Code,
  saved: Verdict | undefined,
): { verdict: Verdict; skip: Skip } {
  const isSuccess = code === 'success';
  switch (action) {
    case 'ok':
    case 'done': {
      const open =
        verdict.impression === 'undefined' || (verdict.impression === 'positive' && verdict.success);
      const better: Verdict = open ? { impression: 'positive', success: isSuccess } : verdict;
      return { verdict: better, skip: action === 'done' && better.impression === 'positive' ? 'rest' : 0 };
    }
    case 'bad':
    case 'die':
      return { verdict: worse(verdict, isSuccess), skip: action === 'die' ? 'rest' : 0 };
    case 'ignore':
      return { verdict, skip: 0 };
    case 'reset':
      return { verdict: saved ?? { impression: 'undefined', success: false }, skip: 0 };
    default:
      return { verdict, skip: action };
  }
}

function worse({ impression, success }: Verdict, asSuccess: boolean): Verdict {
  return impression === 'negative' ? { impression, success } : { impression: 'negative', success: asSuccess };
}

/** Where the dispatcher goes on. `snagged`: a jump past the end of the stack, which is a failure. */
function follow(stack: Stack, from: number, depth: number, skip: Skip): { at: number; snagged: boolean } {
  const depthAt = (at: number) => stack.lines[at]?.depth ?? -1;
  let at = from + 1;
  if (skip === 'rest') {
    while (depthAt(at) >= depth) at += 1;
    return { at, snagged: false };
  }
  let left = skip;
  for (; left > 0 && depthAt(at) >= depth; left -= 1) {
    // A substack counts as one line.
    const whole = stack.lines[at]?.kind === 'substack';
    at += 1;
    while (whole && depthAt(at) > depth) at += 1;
  }
  return { at, snagged: left > 0 };
}
