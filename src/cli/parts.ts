/** The parts inside the executable, where a build has put them. */
import { createRequire } from 'node:module';
import { getAsset, getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

/** Modules of this folder, each bundled by itself. */
export const PARTS = ['engine', 'engine-command', 'commands'] as const;
export type PartName = (typeof PARTS)[number];

/** How a part's text is made a script; its code cache is good for exactly this. */
export function partScript(name: PartName, text: string, cachedData?: Buffer): Script {
  return new Script(`(function (module, exports, require) {${text}\n})`, {
    filename: `${name}.cjs`,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

/**
 * Loads a part, with V8's code for it where the build could make that.
 * @returns what the part exports, of the type that its source has
 */
export function loadPart<Exports>(name: PartName): Exports {
  const script = partScript(name, getAsset(`${name}.cjs`, 'utf8'), cacheOf(name));
  const module: { exports: Exports } = { exports: Object.create(null) };
  // Parts require Node's own modules alone. Where /proc is not mounted this program does not know its own path.
  script.runInThisContext()(module, module.exports, createRequire('/'));
  return module.exports;
}

function cacheOf(name: PartName): Buffer | undefined {
  try {
    return Buffer.from(getRawAsset(`${name}.cache`));
  } catch {
    return undefined;
  }
}
