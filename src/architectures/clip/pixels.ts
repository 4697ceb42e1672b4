/** CLIP's mean and standard deviation per channel (RGB), with which every family on its tower normalises. */
export const clipMean: readonly number[] = [0.48145466, 0.4578275, 0.40821073];
export const clipStd: readonly number[] = [0.26862954, 0.26130258, 0.27577711];
