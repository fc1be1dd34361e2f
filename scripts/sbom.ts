/** What the engine contains: a CycloneDX list of its packages with Node's release, and their licences. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RELEASE } from '../src/lib/release.ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

interface Bom {
  serialNumber?: string;
  metadata: { timestamp: string; component: { name: string } };
  components: Component[];
  dependencies?: unknown;
}

/** The name and version of the package in a directory. */
function packageIn(directory: string): Pick<Component, 'name' | 'version'> {
  const { name, version }: Component = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  return { name, version };
}

/**
 * A CycloneDX bill of materials as npm writes it, with nothing that differs between builds of the same sources.
 * @param packages directories of the bundled packages
 * @param node the release of the Node in the engine
 * @param time of the sources
 */
export function billOfMaterials(packages: readonly string[], node: string, time: Date): string {
  const bom: Bom = JSON.parse(
    execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'], { encoding: 'utf8' }),
  );
  const bundled = new Set(packages.map(packageIn).map(({ name, version }) => `${name}@${version}`));
  const components = bom.components.filter(({ name, version }) => bundled.has(`${name}@${version}`));
  if (components.length !== bundled.size) throw new Error('npm does not list every bundled package');
  const purl = `pkg:generic/node@${node}?download_url=https://nodejs.org/dist/v${node}/`;
  const runtime = {
    'bom-ref': purl,
    type: 'platform',
    name: 'node',
    version: node,
    purl,
    licenses: [{ license: { id: 'MIT' } }],
  };
  // The serial number is random, and the edges name packages that are not bundled.
  const { serialNumber: _, dependencies: __, ...rest } = bom;
  rest.metadata.timestamp = time.toISOString();
  rest.metadata.component.name = 'pam-duo-ts';
  return `${JSON.stringify({ ...rest, components: [runtime, ...components] }, null, 2)}\n`;
}

/**
 * The licences of Node and of the bundled packages.
 * @throws Error when a package has no licence file
 */
export function licences(packages: readonly string[], nodeDirectory: string): string {
  const texts = [...packages, nodeDirectory].map((directory) => {
    const { name, version } = packageIn(directory);
    const file = readdirSync(directory).find((each) => /^licen[sc]e(?:\.|$)/i.test(each));
    if (file === undefined) throw new Error(`${directory} has no licence file`);
    return `${name} ${version}\n\n${readFileSync(join(directory, file), 'utf8').trim()}\n`;
  });
  const head = `The engine of pam_duo_ts ${RELEASE} contains the following software.\n`;
  return [head, ...texts].join(`\n${'='.repeat(78)}\n\n`);
}
