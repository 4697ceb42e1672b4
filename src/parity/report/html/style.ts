/** The page's style: light and dark by the reader's setting, one column on a phone, black on white on paper. */
export const style = `
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fdfdfc;--ink:#10110f;--ink2:#4d4d49;--line:#e2e1da;--axis:#b9b8b0;
--good:#0a6b14;--good-bg:#e4f3e3;--bad:#b3261e;--bad-bg:#fbe7e5;--warn:#7a4d00;--blue:#2a6fc9;--orange:#d4581a;
--f0:#2a78d6;--f1:#1b9e74;--f2:#e0a018;--f3:#7c6fd6;--f4:#d9538b;--f5:#a9a79e;
--h0:#fff8ee;--h1:#feeed6;--h2:#fee2bb;--h3:#fdd49e;--h4:#fdc38b;--h5:#fcae72;--h6:#fa8d58;--h7:#ef6548;--h8:#dd3f2b;--h9:#bf1412;--h10:#8f0505;--h11:#520000;
--blend:multiply;--picture:grayscale(1) contrast(.45) brightness(1.25);--halo:#fff;--mark:#0b57d0}
@media screen and (prefers-color-scheme:dark){:root{--page:#0f0f0e;--card:#1a1a18;--ink:#f4f4f0;--ink2:#bab9b0;--line:#2f2f2b;--axis:#55544d;
--good:#5ec46a;--good-bg:#14301a;--bad:#ff8a80;--bad-bg:#3d1714;--warn:#eeb54a;--blue:#5a9df0;--orange:#f0813e;
--f0:#4b92ea;--f1:#23b387;--f2:#cf9416;--f3:#9085e9;--f4:#d9609a;--f5:#6f6d66;
--h0:#140a26;--h1:#210c40;--h2:#330a5c;--h3:#4b0c6b;--h4:#67166e;--h5:#84206b;--h6:#a52c60;--h7:#c73e4c;--h8:#e45a31;--h9:#f68a1d;--h10:#f9c932;--h11:#fcffa4;
--blend:screen;--picture:grayscale(1) contrast(.6) brightness(.32);--halo:#000;--mark:#7fd4ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1200px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
.by{margin:0;color:var(--ink2);font-size:13px;letter-spacing:.02em}
h1{font-size:28px;line-height:1.2;margin:4px 0 10px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:19px;margin:0 0 6px;letter-spacing:-.005em}
h3{font-size:15px;margin:0}
p{margin:0 0 10px;max-width:96ch;overflow-wrap:anywhere}
.defs{position:absolute;width:0;height:0}
.lead,.note{color:var(--ink2)}
.note{font-size:13px}
code,.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em;overflow-wrap:anywhere}
a{color:var(--blue)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px;margin:16px 0}
.verdict{display:inline-flex;align-items:center;gap:8px;font-weight:650;padding:5px 14px 5px 10px;border-radius:99px}
.verdict.good{background:var(--good-bg);color:var(--good)}
.verdict.bad{background:var(--bad-bg);color:var(--bad)}
.verdict svg{width:18px;height:18px;fill:none;stroke:currentColor;stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round}
.facts{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:12px 0 0;padding:0;color:var(--ink2);font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0 0;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px;min-width:0}
.tiles .what{display:block;color:var(--ink2);font-size:13px}
.tiles .value{display:block;font-size:24px;line-height:1.3;font-weight:600;font-variant-numeric:proportional-nums;overflow-wrap:anywhere}
.tiles .more{display:block;color:var(--ink2);font-size:13px;overflow-wrap:anywhere}
.bar{display:block;height:5px;border-radius:3px;background:var(--line);margin:6px 0 4px;overflow:hidden}
.bar i{display:block;height:100%;border-radius:3px;background:var(--blue)}
.bar.over i{background:var(--bad)}
nav{position:sticky;top:0;z-index:2;background:var(--page);border-bottom:1px solid var(--line);margin-top:18px}
nav ul{display:flex;gap:2px;list-style:none;max-width:1200px;margin:0 auto;padding:4px 12px;overflow-x:auto;scrollbar-width:none}
nav a{display:block;padding:7px 10px;border-radius:8px;color:var(--ink2);text-decoration:none;white-space:nowrap;font-size:14px}
nav a:hover{background:var(--line);color:var(--ink)}
section{scroll-margin-top:52px}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
.failures{border-color:var(--bad)}
.failures ol{margin:8px 0 0;padding-left:22px}
.failures li{margin:4px 0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:6px 0 0}
table{border-collapse:collapse;width:100%;font-size:13.5px}
caption{text-align:left;color:var(--ink2);font-size:13px;padding:0 0 6px}
th,td{text-align:left;vertical-align:top;padding:6px 10px;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--ink2);border-bottom-color:var(--axis);white-space:nowrap;vertical-align:bottom;font-weight:550}
tbody tr:hover{background:color-mix(in srgb,var(--line) 40%,transparent)}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.code,th.code{min-width:16ch}
.wide{min-width:18ch}
h3.apart{margin-top:16px}
th button{font:inherit;color:inherit;background:none;border:0;margin:-4px -6px;padding:4px 6px;border-radius:6px;cursor:pointer}
th button:hover{background:var(--line);color:var(--ink)}
th button::after{content:"";display:inline-block;width:.9em;margin-left:2px;text-align:center}
th[aria-sort=ascending] button::after{content:"↑"}
th[aria-sort=descending] button::after{content:"↓"}
.good{color:var(--good)}
.bad{color:var(--bad)}
td.bad,.failures b{font-weight:650}
figure{margin:14px 0 0}
figcaption p{margin:2px 0 8px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:0 0 8px;padding:0;font-size:13px;color:var(--ink2)}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px;vertical-align:-1px;background:var(--axis)}
.legend i.local{background:var(--orange);border-radius:50%}
.legend i.tight{background:var(--f1);border-radius:50%}
.legend i.accumulated{background:var(--blue);border-radius:50%}
.legend i.bad{background:var(--bad);border-radius:50%}
.plot{display:grid;grid-template:auto 240px auto auto/46px minmax(0,1fr);column-gap:8px}
.y-title{grid-column:1/3;font-size:12px;color:var(--ink2);margin-bottom:8px}
.x-title{grid-column:2;font-size:12px;color:var(--ink2);margin-top:2px}
.y-axis,.x-axis{position:relative;font-size:12px;color:var(--ink2);font-variant-numeric:tabular-nums}
.y-axis span{position:absolute;right:0;transform:translateY(50%);line-height:1}
.x-axis{grid-column:2;height:20px}
.x-axis span{position:absolute;top:5px;transform:translateX(-50%);line-height:1;white-space:nowrap}
.area{position:relative;cursor:crosshair}
.area svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.area path,.area rect{vector-effect:non-scaling-stroke}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.local,.dots.local{stroke:var(--orange)}
.line.tight,.dots.tight{stroke:var(--f1)}
.line.accumulated,.dots.accumulated{stroke:var(--blue)}
${Array.from({ length: 6 }, (_, index) => `.line.s${index}{stroke:var(--f${index})}`).join('\n')}
.line.limit{stroke:var(--bad);stroke-dasharray:5 4}
.dots{fill:none;stroke-width:8;stroke-linecap:round}
.dots.ring{stroke:var(--card);stroke-width:12}
.dots.bad{stroke:var(--bad);stroke-width:12}
.worst{fill:var(--orange);opacity:.12}
.bars{fill:var(--blue)}
.cursor{position:absolute;top:0;bottom:0;background:var(--ink);opacity:.09;pointer-events:none}
.grids{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 28px}
.tabs{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0 4px}
.tabs button{font:inherit;font-size:13px;color:var(--ink2);background:none;border:1px solid var(--axis);border-radius:99px;padding:4px 12px;cursor:pointer}
.tabs button[aria-selected=true]{background:var(--ink);border-color:var(--ink);color:var(--card)}
.boards{display:flex;flex-wrap:wrap;gap:6px 20px}
.heat{flex:1 1 340px;max-width:660px;min-width:0;margin-top:8px}
.heat figcaption{font-size:13px;color:var(--ink2);margin-bottom:4px}
.board{cursor:crosshair;line-height:0;border-radius:6px}
.board svg{display:block;width:100%;height:auto;max-height:70vh;background:var(--card);isolation:isolate;overflow:visible}
svg.drawn{display:block;width:100%;height:auto;max-height:60vh;image-rendering:pixelated}
.picture{filter:var(--picture)}
.cells{shape-rendering:crispEdges}
use~.cells{mix-blend-mode:var(--blend)}
.frame{fill:none;stroke:var(--axis);stroke-width:1;vector-effect:non-scaling-stroke}
.mark,.halo,.at{fill:none;vector-effect:non-scaling-stroke;stroke-width:2;stroke:var(--mark)}
.halo{stroke:var(--halo);stroke-width:5}
.at{stroke:var(--ink)}
.at[hidden]{display:none}
.ramp{display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;font-size:12px;color:var(--ink2);margin-top:10px;font-variant-numeric:tabular-nums}
.steps{display:inline-flex;border:1px solid var(--axis)}
.steps i{width:16px;height:10px}
${Array.from({ length: 12 }, (_, bin) => `.h${bin}{fill:var(--h${bin});background:var(--h${bin})}`).join('\n')}
${Array.from({ length: 6 }, (_, index) => `.f${index}{background:var(--f${index})!important}`).join('\n')}
.stack{display:flex;gap:2px;height:20px;margin:3px 0 2px}
.stack i{display:block;min-width:2px;border-radius:3px}
.stack-row{display:grid;grid-template-columns:minmax(0,auto) 1fr;gap:0 10px;margin:10px 0 0;font-size:13px}
.stack-row b{font-weight:600}
.stack-row .stack{grid-column:1/3}
.stack-row span{color:var(--ink2);text-align:right}
details{margin:10px 0 0}
summary{cursor:pointer;color:var(--ink2);font-size:14px}
ul.plain{margin:6px 0 0;padding-left:20px}
ul.plain li{margin:3px 0;overflow-wrap:anywhere;max-width:110ch}
#tip{position:fixed;z-index:9;max-width:min(340px,calc(100vw - 16px));padding:8px 11px;border-radius:8px;background:var(--ink);color:var(--card);font-size:12.5px;line-height:1.45;pointer-events:none;white-space:pre-line;overflow-wrap:anywhere;box-shadow:0 4px 16px #0004}
footer{padding-bottom:36px;color:var(--ink2);font-size:13px}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:600px){main,header,footer{padding-left:12px;padding-right:12px}section{padding:14px;border-radius:10px}h1{font-size:23px}
.tiles{grid-template-columns:1fr 1fr;gap:8px}.tiles li{padding:10px 12px}.tiles .value{font-size:20px}.plot{grid-template-rows:auto 200px auto auto;grid-template-columns:38px minmax(0,1fr);column-gap:6px}th,td{padding:6px 8px}}
@media print{:root{--page:#fff;--card:#fff}body{font-size:11pt}nav,.tabs,#tip{display:none!important}section{break-inside:auto;border:0;padding:0;margin:18pt 0}
figure,tr,.tiles{break-inside:avoid}.scroll{overflow:visible}table{font-size:8pt}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}thead{display:table-header-group}}
`;
