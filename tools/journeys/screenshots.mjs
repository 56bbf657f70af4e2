// The pictures of the README: the overview of a made-up household.
// usage: node screenshots.mjs URL DIR
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [base, dir] = process.argv.slice(2);
mkdirSync(dir, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
for (const [name, path, width, height, colorScheme] of [
  ['overview', '/', 1280, 1180, 'light'],
  ['overview-dark', '/', 1280, 1180, 'dark'],
  ['overview-phone', '/', 360, 780, 'light'],
  ['hosts', '/hosts', 1280, 900, 'light'],
  ['history', '/history', 1280, 900, 'light'],
]) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(base + path);
  await page.screenshot({ path: `${dir}/${name}.png` });
  await page.close();
}
await browser.close();
