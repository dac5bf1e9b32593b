// A field that nobody on this page may write: its input is read-only by itself, since the kind of room says so.

import { Flash } from "./field.tsx";
import { QUOTE, textOf } from "./fields.ts";
import { useField, useSnapshot } from "./room.ts";
import { Time } from "./time.tsx";

export function Quote() {
	const { input, at } = useField(QUOTE, { format: textOf });
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	return (
		<div className="field">
			<Flash field={QUOTE} />
			<div className="label">
				<label htmlFor="quote">Price in shops</label>
			</div>
			<input {...input} id="quote" type="text" placeholder="No shop has said yet" aria-describedby="quote-why" />
			<div className="below">
				<p id="quote-why" className="by">
					Only the shop itself writes this, over HTTP.
					{at !== undefined && (
						<>
							{" "}
							Last <Time at={at - skew} />.
						</>
					)}
				</p>
			</div>
		</div>
	);
}
