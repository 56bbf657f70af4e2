// The pictures of the README and the docs: the made-up household.
// usage: node screenshots.mjs URL DIR
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [base, dir] = process.argv.slice(2);
mkdirSync(dir, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
for (const [name, path, width, height, colorScheme] of [
  ['overview', '/', 1280, 1280, 'light'],
  ['overview-dark', '/', 1280, 1280, 'dark'],
  ['overview-phone', '/', 360, 780, 'light'],
  ['hosts', '/hosts', 1280, 900, 'light'],
  ['days', '/days?compare=last', 1280, 960, 'light'],
  ['history', '/history', 1280, 1160, 'light'],
]) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(base + path);
  // What is said of sample data and of setting up is not part of the picture.
  await page.evaluate(() => document.querySelectorAll('main > .notice').forEach((e) => e.remove()));
  await page.screenshot({ path: `${dir}/${name}.png` });
  await page.close();
}
await browser.close();
