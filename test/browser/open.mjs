// Opens pages in Chromium and prints what it saw of them as JSON. What to open is on standard input; see Job in browser.go.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const job = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath: job.chromium, chromiumSandbox: false });
try {
  const seen = [];
  for (const view of job.views) seen.push(await look(view));
  process.stdout.write(JSON.stringify(seen));
} finally {
  await browser.close();
}

async function look(view) {
  const context = await browser.newContext({
    viewport: { width: view.width, height: 900 },
    colorScheme: view.scheme,
    javaScriptEnabled: !view.withoutScripts,
    extraHTTPHeaders: view.headers ?? {},
    ignoreHTTPSErrors: true,
  });
  const seen = { url: view.url, requests: [], complaints: [], visible: {}, axe: [] };
  const page = await context.newPage();
  page.on("request", (r) => { if (!r.isNavigationRequest()) seen.requests.push(r.url()); });
  page.on("console", (m) => seen.complaints.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => seen.complaints.push(`error: ${e.message}`));
  page.on("dialog", (d) => { seen.complaints.push(`dialog: ${d.message()}`); return d.dismiss(); });
  const answer = await page.goto(view.url, { waitUntil: "load", timeout: 30_000 });
  seen.status = answer?.status() ?? 0;
  seen.title = await page.title();
  for (const selector of view.visible ?? []) seen.visible[selector] = await page.locator(selector).filter({ visible: true }).count();
  if (!view.withoutScripts) {
    seen.overflow = await page.evaluate(overflow);
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    seen.axe = found.violations.map((v) => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 5).map((n) => n.html) }));
  }
  if (view.screenshot) await page.screenshot({ path: view.screenshot, fullPage: true });
  if (view.print) {
    const pdf = await page.pdf({ format: "A4", preferCSSPageSize: true, path: view.pdf });
    seen.pages = (pdf.toString("latin1").match(/\/Type\s*\/Page[^s]/g) ?? []).length;
  }
  await context.close();
  return seen;
}

// overflow names what reaches out of the page to the right, in which nobody sees it.
function overflow() {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1);
  return [`the page is ${document.documentElement.scrollWidth} wide, of ${wide}`, ...out.slice(0, 5).map((e) => e.outerHTML.slice(0, 200))];
}
