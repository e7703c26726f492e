"""Trained models as files that run without stgraph.

The file is ONNX (opset 18). What goes in and comes out, joints, classes and all settings are in its metadata, as JSON.
What runs it needs numpy and onnxruntime alone.

A recogniser takes whole clips as they were detected or captured: `pose` (batch, person, frame, joint, 3), float32, with
any number of frames and persons, and for 2D the `size` of the image. It samples the frames and prepares them itself:

    import json
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    joints = json.loads(about["skeleton"])["names"]       # the order of the joints
    print(json.loads(about["input"])["unit"])             # pixels x, y and confidence, or metres
    people = np.load("clip.npy")                          # (person, frame, joint, 3); zeros where nothing is seen
    feed = {"pose": people[None].astype(np.float32)}      # (batch, person, frame, joint, 3)
    if len(session.get_inputs()) == 2:                    # of 2D alone
        feed["size"] = np.float32([[640, 480]])           # (batch, 2): width and height of the image
    (probability,) = session.run(["probability"], feed)   # (batch, class)
    print(json.loads(about["classes"])[probability[0].argmax()])

A lifter takes `x` (batch, channel, frame, joint), float32:

    import json
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    joints = json.loads(about["skeleton"])["names"]       # the order of the last axis
    about_x = json.loads(about["input"])                  # frames, and what x holds; here screen-normalised pixels
    keypoints = np.load("keypoints.npy")                  # (frame, joint, 3): pixels and confidence, 0 where unseen
    pixels, confidence = keypoints[..., :2], keypoints[..., 2:]
    x = (2 * pixels - [1000, 1002]) / 1000                # (2 x - width) / width, (2 y - height) / width
    x = np.where(confidence > 0, x, 0)                    # zero, and not the image's corner, where a joint is unseen
    if "confidence" in about_x["channels"]:
        x = np.concatenate([x, confidence], axis=-1)
    x = x.transpose(2, 0, 1)[None].astype(np.float32)     # (batch, channel, frame, joint)
    (pose,) = session.run(["pose"], {"x": x})             # (batch, xyz, frame, joint), metres

With `--input x` a recogniser's file is the network alone, for runtimes that have few operators: `x` (batch, person,
channel, frame, joint) has to be sampled and prepared as the metadata says.
"""
