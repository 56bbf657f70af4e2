// Browser journeys: the built program with a made-up household, in headless Chromium.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer as createHook } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const bin = new URL('../../bin/flattraffic', import.meta.url).pathname;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// Every page there is, with the status it has; the days are those of the demo.
const aDay = new Date(Date.now() - 3 * 86400e3).toISOString().slice(0, 10);
const pages = ['/', '/?compare=last', '/?line=all', '/?protocol=https', '/days', '/days?compare=year', `/days/${aDay}`, '/days/2040-01-01', '/hosts', '/hosts?compare=last', '/hosts?q=nobody',
  '/hosts/192.168.42.20', '/hosts/192.168.42.20?compare=last', '/hosts/::', '/protocols', '/protocols?compare=last', '/networks', '/networks?compare=last', '/networks/unmatched', '/people', '/people?compare=last', '/history', '/history?compare=year',
  '/status', '/status?recipe=mikrotik', '/settings/plan', '/settings/lines', '/settings/networks', '/settings/hosts', '/settings/hosts/demo-nas.lan', '/settings/people', '/settings/exporters', '/settings/alerts',
  '/settings/storage', '/settings/display', '/settings/account', '/welcome/password', '/welcome/plan', '/welcome/router?recipe=cisco', '/welcome/networks', '/nowhere'];
const statusOf = (path) => (path === '/nowhere' ? 404 : 200);
let data, program, browser, base;

const freePort = () => new Promise((resolve) => {
  const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
});

before(async () => {
  data = mkdtempSync(join(tmpdir(), 'journeys-'));
  base = `http://127.0.0.1:${await freePort()}`;
  program = spawn(bin, ['up', '--data', data, '--zone', 'Pacific/Auckland', '--listen-http', base.slice(7),
    '--listen-netflow', '127.0.0.1:0', '--listen-sflow', '127.0.0.1:0', '--log-level', 'error'], { stdio: 'inherit' });
  for (let i = 0; i < 300; i++) {
    if ((await fetch(base + '/readyz').catch(() => null))?.ok) break;
    assert.equal(program.exitCode, null, 'the program ended');
    await new Promise((r) => setTimeout(r, 200));
  }
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
});

after(async () => {
  await browser?.close();
  if (program?.exitCode === null) {
    const ended = new Promise((resolve) => program.once('exit', resolve));
    program.kill('SIGTERM');
    assert.equal(await ended, 0, 'exit code after SIGTERM');
  }
  rmSync(data, { recursive: true, force: true });
});

test('before the first flow the overview says what to do', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/');
  assert.match(await page.textContent('main'), /router|flows/i);
  await page.close();
  execFileSync(bin, ['demo', '--data', data, '--years', '0.5'], { stdio: ['ignore', 'inherit', 'ignore'] });
});

test('overview, host, day: each row leads on', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/');
  assert.match(await page.textContent('h1, .answer'), /used/);
  await page.click('main a[href^="/hosts/"]');
  assert.match(new URL(page.url()).pathname, /^\/hosts\/.+/);
  await page.click('main a[href^="/days/"]');
  assert.match(new URL(page.url()).pathname, /^\/days\/\d{4}-\d\d-\d\d$/);
  await page.close();
});

test('compare: chosen in the menu, kept from page to page, in the files', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/');
  await page.click('.compare summary');
  await page.click('.compare a:has-text("last period")');
  assert.equal(new URL(page.url()).search, '?compare=last');
  assert.match(await page.textContent('.title'), /Compared with/);
  await page.click('nav.pages a:has-text("Hosts")');
  assert.equal(new URL(page.url()).search, '?compare=last');
  assert.match(await page.textContent('thead'), /Change/);
  const json = await (await page.request.get(base + '/hosts.json?compare=last')).json();
  assert.equal(json.compared.with, 'last');
  await page.keyboard.press('x');
  await page.waitForURL(base + '/hosts');
  await page.close();
});

test('keyboard only: period, menus, help, search, to a host and a day', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/');
  const now = await page.textContent('.period summary');
  await page.keyboard.press('ArrowLeft');
  await page.waitForURL(/period=/);
  assert.notEqual(await page.textContent('.period summary'), now);
  await page.keyboard.press('t');
  await page.waitForURL(base + '/');
  await page.keyboard.press('y');
  await page.waitForURL(/from=/);
  await page.keyboard.press('?');
  assert.equal(await page.isVisible('dialog[open]'), true);
  await page.keyboard.press('l'); // Off while the list is open.
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('dialog[open]').count(), 0);
  assert.match(page.url(), /from=/);
  await page.keyboard.press('/');
  await page.waitForURL(/hosts/);
  await page.waitForFunction(() => document.activeElement?.name === 'q');
  await page.keyboard.type('lt'); // Letters, not keys: T and L go nowhere here.
  assert.equal(await page.inputValue('[name=q]'), 'lt');
  await page.goto(base + '/hosts');
  for (let i = 0; i < 60 && !(await page.evaluate(() => document.activeElement?.matches('tbody a'))); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/hosts\/./);
  for (let i = 0; i < 60 && !(await page.evaluate(() => document.activeElement?.matches('.chart a'))); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/days\/\d{4}-\d\d-\d\d/);
  await page.close();
});

test('without JavaScript the list of keys opens in the page', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(base + '/');
  await page.click('.keys summary');
  assert.match(await page.innerText('.keys dl'), /earlier period/);
  await context.close();
});

test('a changed renewal day re-cuts history', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/settings/plan');
  await page.fill('[name=renewal]', '20');
  await page.check('#scope-all');
  await page.click('button[value=preview]');
  assert.match(await page.textContent('#preview'), /History is cut again: the period before would be 20 /);
  await page.click('button[value=save]');
  await page.waitForLoadState();
  const json = await (await page.request.get(base + '/overview.json')).json();
  assert.match(json.period.start, /-20T00:00:00/);
  const history = await (await page.request.get(base + '/history.json')).json();
  assert.ok(history.rows.length > 3, 'some periods of history');
  for (const row of history.rows) assert.match(row.start, /-20T00:00:00/);
  await page.goto(base + '/history');
  assert.match(await page.textContent('main table'), /20 /);
  await page.close();
});

test('a free time is kept apart from what counts', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/settings/plan');
  await page.fill('[name=free]', '02:10-06:00');
  await page.click('button[value=save]');
  assert.match(await page.textContent('#free-error'), /quarter hour/);
  await page.fill('[name=free]', '02:00-06:00\nSat,Sun 00:00-24:00');
  await page.click('button[value=save]');
  assert.match(await page.textContent('.notice.good'), /saved/);
  const query = '?period=previous';
  const { overview, total } = await (await page.request.get(base + '/overview.json' + query)).json();
  assert.ok(overview.free.received > 0 && overview.counted.received > 0);
  for (const way of ['received', 'sent']) assert.equal(overview.counted[way] + overview.free[way], total[way]);
  assert.equal(overview.used, overview.counted.received + overview.counted.sent);
  await page.goto(base + '/' + query);
  assert.match(await page.textContent('.facts'), /Free/);
  await page.close();
});

test('a second line has a plan of its own', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/settings/plan');
  await page.click('a[href="/settings/lines"]');
  await page.fill('#name-new', 'LTE');
  await page.fill('#more-new', '192.0.2.77');
  await page.click('text=Add the line');
  assert.equal(new URL(page.url()).searchParams.get('line'), 'lte');
  await page.fill('[name=renewal]', '3');
  await page.fill('[name=cap]', '50 GB');
  await page.click('button[value=save]');
  await page.goto(base + '/hosts');
  await page.click('details.lines summary');
  await page.click('details.lines >> text=LTE');
  assert.equal(new URL(page.url()).searchParams.get('line'), 'lte');
  const json = await (await page.request.get(base + '/overview.json?line=lte')).json();
  assert.match(json.period.start, /-03T00:00:00/);
  const all = await (await page.request.get(base + '/overview.json?line=all')).json();
  assert.deepEqual(all.lines.map((l) => l.line), ['home', 'lte']);
  assert.equal(all.lines.reduce((n, l) => n + l.received, 0), all.total.received);
  await page.close();
});

test('alerts: errors at the field, a test that arrives, secrets that are not shown', async () => {
  const got = [];
  const hook = createHook((request, response) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => { got.push({ title: request.headers.title, body }); response.end(); });
  });
  await new Promise((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const page = await browser.newPage();
  await page.goto(base + '/settings/plan');
  await page.click('nav[aria-label=Settings] >> text=Alerts');
  await page.fill('[name=thresholds]', 'many');
  await page.click('button[value=save]');
  assert.match(await page.textContent('#thresholds-error'), /numbers in percent/);
  await page.fill('[name=thresholds]', '80, 100');
  await page.fill('[name=hook_url]', `http://127.0.0.1:${hook.address().port}/secret-topic`);
  await page.click('button[value=test]');
  assert.match(await page.textContent('.notice.good'), /test is on its way/);
  assert.deepEqual(got.map((post) => post.title), ['FlatTraffic: a test']);
  assert.doesNotMatch(await page.content(), /secret-topic/);
  await page.close();
  hook.close();
});

test('a host is renamed and given to a person', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/hosts');
  await page.click('main a[href^="/hosts/192.168.42.72"]');
  await page.fill('[name=name]', 'Kitchen speaker');
  await page.selectOption('[name=owner]', { label: 'Anna' });
  await page.press('[name=name]', 'Enter');
  await page.waitForLoadState();
  assert.equal(await page.textContent('h1'), 'Kitchen speaker');
  assert.match(await page.textContent('.title'), /Anna/);
  const { rows } = await (await page.request.get(base + '/hosts.json?person=demo-anna')).json();
  assert.ok(rows.some((r) => r.name === 'Kitchen speaker'), 'the host is among those of its owner');
  await page.close();
});

test('a network is added', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/settings/networks');
  await page.fill('#new input[name^=range]', 'not a range');
  await page.press('#new input[name^=range]', 'Enter');
  await page.waitForLoadState();
  assert.match(await page.textContent('.error'), /192\.168\.1\.0\/24/);
  await page.fill('input[value="not a range"]', '192.168.77.0/24');
  await page.press('input[value="not a range"]', 'Enter');
  await page.waitForLoadState();
  await page.goto(base + '/networks');
  assert.match(await page.textContent('main'), /192\.168\.77\.0\/24/);
  await page.close();
});

test('a share link shows one person, and nothing when it is revoked', async () => {
  const page = await browser.newPage();
  await page.goto(base + '/people');
  assert.match(await page.textContent('tbody'), /Anna[^]*Nobody yet/);
  await page.goto(base + '/settings/people');
  await page.selectOption('[name=person]', { label: 'Chloe' });
  await page.click('button:text("Make a link")');
  const link = await page.inputValue('#link');
  const stranger = await browser.newContext({ viewport: { width: 360, height: 800 }, bypassCSP: true });
  const shown = await stranger.newPage();
  assert.equal((await shown.goto(link)).status(), 200);
  const words = await shown.textContent('body');
  assert.match(words, /Chloe/);
  assert.doesNotMatch(words, /Anna|Ben|David|Settings/);
  await shown.evaluate(axe);
  const found = await shown.evaluate(() => window.axe.run());
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
  assert.ok(await shown.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), 'it fits the window');
  await page.goto(base + '/settings/people');
  await page.click('[aria-label="Revoke the link for Chloe"]');
  await page.waitForLoadState();
  assert.equal((await shown.goto(link)).status(), 404);
  await stranger.close();
  await page.close();
});

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 360]) {
    for (const javaScript of [true, false]) {
      test(`every page, ${scheme}, ${width} px, JavaScript ${javaScript ? 'on' : 'off'}`, async () => {
        const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 }, javaScriptEnabled: javaScript, bypassCSP: javaScript });
        const page = await context.newPage();
        const errors = [];
        page.on('pageerror', (e) => errors.push(String(e)));
        for (const path of pages) {
          const answer = await page.goto(base + path);
          assert.equal(answer.status(), statusOf(path), path);
          if (!javaScript) continue;
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(overflow <= 0, `${path} is ${overflow} px wider than the window`);
          await page.evaluate(axe);
          const found = await page.evaluate(() => window.axe.run());
          assert.deepEqual(found.violations.map((v) => `${path}: ${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
        }
        assert.deepEqual(errors, []);
        await context.close();
      });
    }
  }
}

test('on paper nothing is cut off, light on a dark screen too', async () => {
  const page = await browser.newPage({ viewport: { width: 718, height: 1040 }, colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  for (const path of ['/', '/?compare=last', '/days', '/hosts', '/hosts/192.168.42.20', '/protocols', '/networks', '/people', '/history']) {
    await page.goto(base + path);
    const [over, ink, shown] = await page.evaluate(() => [document.documentElement.scrollWidth - document.documentElement.clientWidth,
      getComputedStyle(document.querySelector('h1')).color, [...document.querySelectorAll('.top, .foot, .exports, form button')].filter((e) => e.checkVisibility()).length]);
    assert.ok(over <= 0, `${path} is ${over} px wider than the paper`);
    assert.equal(ink, 'rgb(24, 32, 34)', `${path}: the ink`);
    assert.equal(shown, 0, `${path}: what can only be clicked is printed`);
  }
  await page.close();
});

test('traffic counted twice, and a range that is nobody\'s: one click each, without JavaScript', async () => {
  const flows = (direction, way, addresses) => execFileSync(bin, ['sql', '--write', '--data', data, `INSERT INTO flows
    (end, duration_ms, exporter, origin, in_if, out_if, flow_direction, direction, host, peer, unmatched_dst, host_port, peer_port, protocol, service, bytes, packets, sampling_rate)
    SELECT now() - 60 * (number + 1), 1000, toIPv6('192.0.2.9'), 'ipfix', 2, 1, '${way}', '${direction}', ${addresses}, 50000 + number, 443, 6, 443, 1000000000, 10, 1 FROM numbers(50)`]);
  for (const way of ['ingress', 'egress']) flows('received', way, "toIPv6('192.168.1.20'), toIPv6('203.0.113.5'), toIPv6('::')");
  flows('unmatched', 'ingress', "toIPv6('::'), toIPv6('203.0.113.5'), toIPv6('2001:db8:7:8::9')");
  const context = await browser.newContext({ viewport: { width: 360, height: 800 }, javaScriptEnabled: false });
  const page = await context.newPage();
  const total = async () => (await (await page.request.get(base + '/overview.json')).json()).total;
  const told = async (path) => {
    for (let i = 0; i < 120; i++) {
      if (/settings of today/.test((await page.locator('#history-state').allTextContents()).join())) return;
      await page.waitForTimeout(1000);
      await page.goto(base + path).catch(() => {}); // The page asks again by itself, which may cut this off.
    }
    assert.fail('flows are not told anew');
  };
  const before = await total();
  await page.goto(base + '/networks');
  await page.click('tr.rest a[href*="/networks/unmatched"]');
  await page.locator('tbody tr', { hasText: '2001:db8:7:8::/64' }).locator('select').selectOption({ label: '/56' });
  await page.locator('tbody tr', { hasText: '2001:db8:7:8::/64' }).locator('button').click();
  assert.match(await page.textContent('.notice.good'), /network is added/);
  await told('/networks/unmatched');
  const added = await total();
  assert.equal(added.received, before.received + 50e9);
  assert.equal(added.unmatched, before.unmatched - 50e9);
  await page.goto(base + '/settings/exporters');
  assert.match(await page.textContent('section[aria-labelledby=doubles]'), /counted twice: 50 conversations/);
  await page.click('section[aria-labelledby=doubles] button');
  await told('/settings/exporters');
  assert.equal((await total()).received, added.received - 50e9);
  assert.equal(await page.locator('section[aria-labelledby=doubles]').count(), 0);
  await context.close();
});

test('a password closes the pages, a login opens them', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  execFileSync(bin, ['password', '--data', data], { input: 'correct horse battery\n', stdio: ['pipe', 'inherit', 'ignore'] });
  await page.waitForTimeout(6000);
  await page.goto(base + '/hosts');
  assert.match(new URL(page.url()).pathname, /login/);
  for (const colorScheme of ['light', 'dark']) {
    const door = await (await browser.newContext({ colorScheme, bypassCSP: true, viewport: { width: 360, height: 800 } })).newPage();
    await door.goto(base + '/login');
    await door.evaluate(axe);
    assert.deepEqual((await door.evaluate(() => window.axe.run())).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), []);
    await door.context().close();
  }
  await page.fill('[name=name], [name=account], [name=user]', 'admin');
  await page.fill('[type=password]', 'correct horse battery');
  await page.press('[type=password]', 'Enter');
  await page.waitForLoadState();
  await page.goto(base + '/hosts');
  assert.equal(new URL(page.url()).pathname, '/hosts');

  // A viewer reads everything and changes nothing.
  await page.goto(base + '/settings/account');
  await page.fill('[name=name]', 'lena');
  await page.fill('[name=new_password]', 'viewers only please');
  await page.press('[name=new_password]', 'Enter');
  await page.waitForLoadState();
  await page.click('button:text("Sign out") >> nth=-1');
  await page.waitForLoadState();
  await page.goto(base + '/login');
  await page.fill('[name=name]', 'lena');
  await page.fill('[type=password]', 'viewers only please');
  await page.press('[type=password]', 'Enter');
  await page.waitForLoadState();
  assert.equal((await page.goto(base + '/people')).status(), 200);
  assert.equal(await page.locator('a[href="/settings/people"]').count(), 0);
  await page.goto(base + '/hosts');
  await page.click('tbody a[href^="/hosts/"]');
  assert.equal(await page.locator('[name=owner]').count(), 0, 'a viewer is offered no form');
  for (const path of ['/settings/plan', '/settings/hosts', '/settings/people']) {
    assert.equal((await page.goto(base + path)).status(), 403, path);
  }
  await page.goto(base + '/settings/account');
  await page.click('button:text("Sign out") >> nth=-1');
  await page.waitForLoadState();
  await page.goto(base + '/hosts');
  assert.match(new URL(page.url()).pathname, /login/);
  await context.close();
});
