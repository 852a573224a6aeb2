"use strict";
/* Tables sort by the column whose head is pressed, numbers as numbers, what is missing last; a filter hides rows. */
for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
        const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
        const column = [...head.parentElement.children].indexOf(head);
        const down = head.getAttribute("aria-sort") === "ascending";
        const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
        const compare = (a, b) => {
            if (a === "-" || b === "-")
                return (a === "-") - (b === "-");
            const order = a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b);
            return down ? -order : order;
        };

        for (const other of head.parentElement.children)
            other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
    });
}
for (const filter of document.querySelectorAll("input.filter")) {
    filter.addEventListener("input", () => {
        const words = filter.value.toLowerCase().split(/\s+/);

        for (const row of document.getElementById(filter.dataset.table).tBodies[0].rows)
            row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
}
