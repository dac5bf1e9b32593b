// What stays on this device: how the page looks here is nobody else's business. No room, no kind, no network.

import { useEffect, useState } from "react";

export interface Device {
	theme: "auto" | "light" | "dark";
	language: "en" | "es";
	isSidebarOpen: boolean;
}

const FIRST: Device = { theme: "auto", language: "en", isSidebarOpen: true };

export function useDevice(): [Device, (change: Partial<Device>) => void] {
	const [device, setDevice] = useState<Device>(() => ({ ...FIRST, ...stored() }));
	const { theme, language } = device;
	useEffect(() => {
		localStorage.setItem("ui", JSON.stringify(device));
		document.documentElement.lang = language;
		document.documentElement.style.colorScheme = theme === "auto" ? "light dark" : theme;
	}, [device, theme, language]);
	return [device, (change) => setDevice((before) => ({ ...before, ...change }))];
}

function stored(): Partial<Device> {
	try {
		return JSON.parse(localStorage.getItem("ui") ?? "{}");
	} catch {
		return {};
	}
}
