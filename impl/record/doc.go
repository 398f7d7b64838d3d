// Package record reads a media broadcast as packets, to be written to a file.
//
//	recording, err := record.Open(ctx, session, "room/camera.hang", nil)
//	if err != nil {
//		return err
//	}
//	defer recording.Close()
//	w, err := fmp4.NewWriter(file, recording.Tracks(), nil)
//	if err != nil {
//		return err
//	}
//	return recording.To(w)
//
// A [Recording] has one track of pictures and one of sound, as far as the
// broadcast has them. Their packets are what files want, whatever the container
// of the broadcast is: in decoding order, with decoding times and durations, with
// a description in place of parameter sets in the pictures, on one clock that
// begins at 0. What was lost is told by [Recording.Gaps] and leaves a hole in
// time, so that pictures and sound stay in step.
package record
