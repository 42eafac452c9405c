/** Cameras, microphones and screens, with the constraints that suit a call. */

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const SCREEN = { frameRate: { ideal: 15 } };

/**
 * Requests camera and microphone in one prompt if both are wanted.
 *
 * @param {{camera?: boolean | MediaTrackConstraints, microphone?: boolean | MediaTrackConstraints}} wanted
 * @returns {Promise<{camera: MediaStreamTrack | null, microphone: MediaStreamTrack | null}>}
 * @throws {DOMException} `NotAllowedError`, `NotFoundError`, `NotReadableError`, …
 */
export async function capture({ camera = false, microphone = false }) {
  const constraints = {
    video: camera && { ...CAMERA, ...(camera === true ? {} : camera) },
    audio: microphone && { ...MICROPHONE, ...(microphone === true ? {} : microphone) },
  };
  if (!navigator.mediaDevices) throw new DOMException('Devices need a secure page: https, or localhost.', 'SecurityError');
  const media = await navigator.mediaDevices.getUserMedia(constraints);
  return { camera: media.getVideoTracks()[0] ?? null, microphone: media.getAudioTracks()[0] ?? null };
}

/**
 * A screen or window, and its sound if the user shares it.
 *
 * @param {MediaTrackConstraints} [constraints]
 * @returns {Promise<{picture: MediaStreamTrack, sound: MediaStreamTrack | null}>}
 */
export async function captureScreen(constraints = {}) {
  const media = await navigator.mediaDevices.getDisplayMedia({ video: { ...SCREEN, ...constraints }, audio: true });
  const [picture] = media.getVideoTracks();
  // Prefer sharp text to a high frame rate.
  if (!picture.contentHint) picture.contentHint = 'detail';
  return { picture, sound: media.getAudioTracks()[0] ?? null };
}
