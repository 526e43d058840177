// What every page of a site without scripts has to be: readable at both widths and in both colour schemes, usable with
// the keyboard, and clear to a screen reader. `inspector` answers with a function that checks the page as it is now.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import axe from 'axe-core';

const SIZES = [{ width: 1200, height: 800 }, { width: 390, height: 844 }];

// Pictures go to the directory `screenshots`, one for each width and colour scheme.
export function inspector(page, screenshots) {
  fs.rmSync(screenshots, { recursive: true, force: true });
  fs.mkdirSync(screenshots, { recursive: true });
  const titles = new Map();
  let number = 0;
  return async (name) => {
    number += 1;
    const fragment = new URL(page.url()).hash.slice(1);
    // The answer has the focus, as soon as the page has loaded.
    if (fragment) await page.waitForFunction((id) => document.activeElement.id === id, fragment, { timeout: 10_000 });
    await structure(page, titles);
    for (const size of SIZES) {
      await page.setViewportSize(size);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        const file = `${String(number).padStart(2, '0')}-${name}-${size.width}-${colorScheme}.png`;
        await page.screenshot({ path: path.join(screenshots, file), fullPage: true });
        await violations(page, colorScheme, `${name}, ${size.width} px, ${colorScheme}`);
      }
      const wider = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return scrollWidth - clientWidth;
      });
      assert.equal(wider, 0, `${name} is ${wider} px wider than ${size.width} px`);
    }
    await page.setViewportSize(SIZES[0]);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
    await keyboard(page);
  };
}

// Every rule of axe, also that of WCAG 2.2 about the size of what is clicked. Dark mode changes only the contrasts.
async function violations(page, colorScheme, where) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async (colorScheme) => {
    const all = { rules: { 'target-size': { enabled: true } } };
    const options = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : all;
    const { violations } = await window.axe.run({ resultTypes: ['violations'], ...options });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((node) => node.html).join('\n  ')}`);
  }, colorScheme);
  assert.deepEqual(found, [], where);
}

// Language, title, landmarks, headings, and nothing that moves.
async function structure(page, titles) {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const found = await page.evaluate(() => {
    const moves = (style) => style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0
      || style.scrollBehavior !== 'auto';
    return {
      lang: document.documentElement.lang,
      title: document.title,
      landmarks: ['header', 'nav[aria-label]', 'main'].map((name) => document.querySelectorAll(`body ${name}`).length),
      levels: [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((heading) => Number(heading.tagName[1])),
      moving: [...document.querySelectorAll('*')].filter((element) => moves(getComputedStyle(element))).length,
    };
  });
  assert.equal(found.lang, 'en');
  assert.deepEqual(found.landmarks, [1, 1, 1], 'one header, one labelled nav, one main');
  assert.deepEqual(found.levels.filter((level) => level === 1), [1], 'one h1');
  found.levels.reduce((before, level) => {
    assert.ok(level <= before + 1, `a heading of level ${level} after one of level ${before}`);
    return level;
  }, 0);
  assert.equal(found.moving, 0, 'elements that move');
  // The home page has the visitor's name as its title, and other pages titles of their own.
  assert.match(found.title, /.+ – sealed-session$/);
  const { pathname } = new URL(page.url());
  assert.ok(['/', pathname].includes(titles.get(found.title) ?? pathname), `two pages have the title ${found.title}`);
  titles.set(found.title, pathname);
}

// Tab reaches every control, in the order of the document, and each one shows that it has the focus.
async function keyboard(page) {
  const controls = await page.evaluate(() => {
    window.controls = [...document.querySelectorAll('a[href], button:enabled, input:not([type=hidden]), summary')]
      .filter((element) => element.checkVisibility());
    document.body.tabIndex = -1;
    document.body.focus();
    return window.controls.length;
  });
  for (let expected = 0; expected < controls; expected += 1) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const { bottom, right, top, left } = element.getBoundingClientRect();
      return {
        index: window.controls.indexOf(element),
        html: element.outerHTML.slice(0, 120),
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        shown: top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth,
      };
    });
    assert.equal(focus.index, expected, `Tab number ${expected + 1} leads to ${focus.html}`);
    assert.ok(focus.outlined, `no outline around ${focus.html}`);
    assert.ok(focus.shown, `out of sight: ${focus.html}`);
  }
  await page.evaluate(() => document.body.removeAttribute('tabindex'));
}

export function complaintsOf(page) {
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  return complaints;
}
