// A text that may be edited on two devices at once: nothing is lost, and its user decides.

import { useField } from "./state.ts";

type Name = "persona/identity" | "persona/intolerance" | "persona/tolerance";

export function Text({ name, label }: { name: Name; label: string }) {
	const field = useField(name);
	const { conflict, offer, refused, pending } = field;
	const theirs = conflict?.theirs ?? offer;
	// What the kind permits is a text.
	const other = theirs && String(theirs.value ?? "");
	const mine = conflict ? String(conflict.mine.value ?? "") : field.text;
	return (
		<div className="text">
			<label>
				{label}
				<textarea {...field.input} rows={2} />
			</label>
			{other !== undefined ? (
				<p role="status">
					Another device has “{other}”.{" "}
					<button type="button" onClick={field.keep}>
						Use mine
					</button>{" "}
					<button type="button" onClick={field.take}>
						Use that
					</button>{" "}
					<button type="button" onClick={() => field.set(`${other}\n${mine}`, { baseVersion: theirs?.version })}>
						Use both
					</button>
				</p>
			) : refused !== undefined ? (
				<p role="alert">{refused.message}</p>
			) : (
				<p>{pending ? "Not sent yet" : ""}</p>
			)}
		</div>
	);
}
