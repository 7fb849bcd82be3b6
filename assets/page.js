/* The values under the pointer: of the step that is nearest, from the table of values; also by the arrow keys.
 * Without "less than" and "and", so that the page is XML too. */
const area = document.getElementById("pointer"), caption = area.closest("figure").querySelector("figcaption");
const line = area.appendChild(document.createElement("i"));
const text = caption.textContent, number = name => Number(area.dataset[name]);
const position = area.dataset.scale === "log"
    ? rate => (Math.log(rate) - Math.log(number("low"))) / (Math.log(number("high")) - Math.log(number("low")))
    : rate => (rate - number("low")) / (number("high") - number("low"));
const rows = Array.from(document.querySelectorAll("#values tbody tr"), row => {
    const [step, rate, loss, smoothed] = Array.from(row.cells, cell => cell.textContent);
    return {at: position(Number(rate)), text: `step ${step}: learning rate ${rate}, loss ${loss}, smoothed ${smoothed}`};
});
let shown = -1;
const show = i => {
    shown = Math.max(0, Math.min(i, rows.length - 1));
    line.style.left = `${100 * rows[shown].at}%`;
    line.hidden = false;
    caption.textContent = rows[shown].text;
};
const hide = () => {
    line.hidden = true;
    caption.textContent = text;
};
hide();
area.tabIndex = 0;
area.addEventListener("pointermove", event => {
    const box = area.getBoundingClientRect(), at = (event.clientX - box.left) / box.width;
    const apart = rows.map(row => Math.abs(row.at - at));
    show(apart.indexOf(apart.reduce((a, b) => Math.min(a, b))));
});
area.addEventListener("pointerleave", hide);
area.addEventListener("blur", hide);
area.addEventListener("keydown", event => {
    const to = {ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: rows.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
});
