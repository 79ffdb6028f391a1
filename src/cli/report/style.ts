import { darkRules, fontFamily, inks } from "./svg.js";

const names = ["ink", "muted", "grid", "surface", "panel"] as const;
const light = names.map((name) => `--${name}:${inks[name][0]}`).join(";");
const dark = names.map((name) => `--${name}:${inks[name][1]}`).join(";");

/** The style of the report: one column of text, figures in as many columns as fit; light, dark and paper. */
export const reportStyle = `
:root{color-scheme:light dark;${light};--ground:#f1f3f6;--accent:${inks.after[0]}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;max-width:1160px;padding:0 24px 48px;background:var(--ground);color:var(--ink);font:15px/1.5 ${fontFamily.replaceAll("'", '"')};font-variant-numeric:tabular-nums}
header{padding:44px 0 8px}
.kicker{margin:0;color:var(--accent);font-size:13px;font-weight:600;letter-spacing:.02em}
h1{margin:4px 0 6px;font-size:34px;line-height:1.15;letter-spacing:-.02em;font-weight:700;overflow-wrap:anywhere}
.lead{margin:0;color:var(--muted);overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:18px;padding-bottom:14px;border-bottom:1px solid var(--grid)}
nav a{color:var(--muted);text-decoration:none;padding:3px 0}
nav a:hover,nav a:focus-visible{color:var(--accent);text-decoration:underline;text-underline-offset:4px}
section{padding-top:26px}
h2{margin:0 0 14px;font-size:20px;letter-spacing:-.01em}
.figures{display:grid;gap:16px;align-items:start}
.figures.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
.figures.narrow{grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
figure{margin:0;padding:16px 16px 10px;background:var(--surface);border:1px solid var(--grid);border-radius:10px}
.figures+.figures{margin-top:16px}
.legend{max-width:990px;margin:-8px 0 8px}
.stack{display:grid;gap:16px}
.stack .scroll{margin:0}
.pairs{columns:3 300px;column-gap:40px;margin:0;padding:12px 16px;background:var(--surface);border:1px solid var(--grid);border-radius:10px;font-size:13.5px}
.pairs div{display:flex;justify-content:space-between;gap:12px;padding:3px 0;break-inside:avoid;border-bottom:1px solid var(--grid)}
.pairs dt{color:var(--muted)}
.pairs dd{margin:0;text-align:right;overflow-wrap:anywhere}
.chart{display:block;width:100%;height:auto}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:16px;margin:0 0 16px}
.tile{padding:14px 16px;background:var(--surface);border:1px solid var(--grid);border-radius:10px}
.tile dt{color:var(--muted);font-size:13px}
.tile dd{margin:2px 0 0;font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.02em}
.tile small{font-size:14px;font-weight:400;letter-spacing:0}
.tile span{display:block;margin-top:4px;color:var(--muted);font-size:12.5px;line-height:1.45;font-weight:400;letter-spacing:0}
.note{margin:10px 2px 0;max-width:78ch;color:var(--muted);font-size:13px}
.scroll{overflow-x:auto;margin:0 0 16px;background:var(--surface);border:1px solid var(--grid);border-radius:10px}
.figures+.scroll,.note+.scroll{margin-top:16px}
.scroll:focus-visible,pre:focus-visible{outline:2px solid var(--accent)}
table{width:100%;border-collapse:collapse;font-size:13.5px}
caption{padding:12px 16px 6px;text-align:left;font-weight:650}
th,td{padding:6px 14px;text-align:right;white-space:nowrap;font-weight:400;vertical-align:baseline}
thead th{color:var(--muted);font-size:12.5px;white-space:normal}
tbody th{text-align:left}
tbody tr{border-top:1px solid var(--grid)}
tbody td b{font-weight:650}
td small{color:var(--muted);font-size:12px;margin-left:5px}
.compare td small{display:block;margin:0}
.compare tbody th{white-space:normal;min-width:7em}
.words td,.words thead th{text-align:left}
.words td,.words tbody th{white-space:normal;overflow-wrap:break-word}
.words td{min-width:5em}
.words code{overflow-wrap:anywhere}
code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{margin:0 0 16px;padding:14px 16px;overflow-x:auto;background:var(--surface);border:1px solid var(--grid);border-radius:10px;user-select:all}
summary{cursor:pointer;color:var(--muted);margin-bottom:10px}
.faults{margin:0;padding:12px 16px 12px 34px;background:var(--surface);border:1px solid var(--grid);border-radius:10px;font-size:14px}
footer{margin-top:36px;color:var(--muted);font-size:13px}
@media (max-width:520px){body{padding:0 12px 32px}header{padding-top:24px}h1{font-size:26px}figure{padding:12px 10px 8px}.tiles{grid-template-columns:repeat(2,1fr);gap:10px}.tile dd{font-size:23px}th,td{padding:6px 12px}}
@media screen and (prefers-color-scheme:dark){:root{${dark};--ground:#0d1117;--accent:${inks.after[1]}}${darkRules}}
@media print{:root{--ground:#fff}body{max-width:none;padding:0;font-size:11pt}header{padding-top:0}nav{display:none}figure,.tile,tr,pre{break-inside:avoid}h2,caption{break-after:avoid}.figures.wide{grid-template-columns:repeat(2,1fr)}.figures.narrow{grid-template-columns:repeat(3,1fr)}.scroll{overflow:visible}pre{white-space:pre-wrap}td{white-space:normal}}
`.trim();
