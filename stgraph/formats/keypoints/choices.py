"""What a person may say about a file of keypoints, by name; imports nothing, as options of commands are made of it."""

SCALES = {
    "pixels": "pixels",
    "fractions": "fractions of the image's width and height",
    "centred": "fractions less 0.5, as ST-GCN takes them",
    "signed": "-1 to 1 over the image's width and height, as OpenPose's --keypoint_scale 4",
    "screen": "x / width * 2 - 1 and y / width * 2 - height / width",
    "person": "relative to the person, such as hips at 0 and a trunk of 1; shown amid the image",
}
ORDERS = ("tjc", "ctj", "mtjc", "tmjc", "ctjm")  # axes of an array: t frames, m people, j joints, c channels
CSV_FORM = (
    "a header, and a row for every frame and person: clip, label, frame, person (left out: one person), and columns "
    "JOINT_x, JOINT_y and perhaps JOINT_z or JOINT_confidence for every joint; empty cells are unseen"
)
