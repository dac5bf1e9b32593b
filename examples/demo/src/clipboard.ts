/** Puts a text on the clipboard, and tells whether that went well. */
export async function copy(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Over plain HTTP, or when the person said no, there is no clipboard to write to.
		return copyBySelection(text);
	}
}

function copyBySelection(text: string): boolean {
	const before = document.activeElement;
	const area = document.createElement("textarea");
	area.value = text;
	area.className = "unseen";
	document.body.append(area);
	area.select();
	const isDone = document.execCommand("copy");
	area.remove();
	if (before instanceof HTMLElement) before.focus();
	return isDone;
}
