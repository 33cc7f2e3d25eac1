//! Proofs of random trees: each verifies, and whatever is changed about it does not.

use portcullis_ledger::{
    BuildError, ConsistencyProof, Frontier, Hash, InclusionProof, LeafHash, ProofError, Subtree, TreeHead,
};
use proptest::prelude::*;

use crate::memory::{head, leaves, reader, root};

/// Every proof that differs from `hashes` in one hash: a bit flipped, dropped, doubled, or a strange one put in.
fn mutations(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..=hashes.len() {
        let change = |change: &dyn Fn(&mut Vec<Hash>)| {
            let mut changed = hashes.to_vec();
            change(&mut changed);
            changed
        };
        all.push(change(&|hashes| hashes.insert(at, Hash::EMPTY)));
        if let Some(hash) = hashes.get(at) {
            let mut flipped = *hash.as_bytes();
            flipped[at % 32] ^= 1 << (at % 8);
            all.push(change(&|hashes| hashes[at] = Hash::from(flipped)));
            all.push(change(&|hashes| hashes.retain(|other| other != hash)));
            all.push(change(&|hashes| hashes.insert(at, *hash)));
        }
    }
    all
}

/// The largest tree of the properties: three tiles.
const SIZE_MAX: u64 = 600;

proptest! {
    #[test]
    fn an_entry_is_in_the_tree_where_it_is_and_nowhere_else(
        size in 1..=SIZE_MAX,
        at: prop::sample::Index,
        other: prop::sample::Index,
    ) {
        let leaves = leaves(size);
        let index = at.index(leaves.len()) as u64;
        let (leaf, tree) = (LeafHash::known(leaves[index as usize]), head(&leaves));
        let proof = InclusionProof::build(index, size, &mut reader(&leaves)).unwrap();
        prop_assert_eq!(proof.verify(&leaf, &tree), Ok(()));

        let verify = |index, hashes, leaf, tree| InclusionProof { index, hashes }.verify(leaf, tree);
        for hashes in mutations(&proof.hashes) {
            prop_assert!(verify(index, hashes, &leaf, &tree).is_err());
        }
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify(other, proof.hashes.clone(), &leaf, &tree).is_err());
            prop_assert!(proof.verify(&LeafHash::known(leaves[other as usize]), &tree).is_err());
        }
        prop_assert_eq!(
            verify(size, proof.hashes.clone(), &leaf, &tree),
            Err(ProofError::Range { index: size, end: size })
        );
        // The log's head at another size; a size alone is bound by the signature on it.
        prop_assert!(proof.verify(&leaf, &head(&leaves[..other.index(leaves.len())])).is_err());
    }

    #[test]
    fn a_tree_begins_with_each_of_its_earlier_states_and_nothing_else(
        new in 1..=SIZE_MAX,
        at: prop::sample::Index,
        other: prop::sample::Index,
    ) {
        let leaves = leaves(new);
        let old = 1 + at.index(leaves.len());
        let (older, newer) = (head(&leaves[..old]), head(&leaves));
        let proof = ConsistencyProof::build(old as u64, new, &mut reader(&leaves)).unwrap();
        prop_assert_eq!(proof.verify(&older, &newer), Ok(()));

        for hashes in mutations(&proof.hashes) {
            let is_refused = ConsistencyProof { hashes }.verify(&older, &newer).is_err();
            prop_assert!(is_refused);
        }
        let with_root = |tree: TreeHead, root| TreeHead { root, ..tree };
        for root in [newer.root, Hash::EMPTY, leaves[0]].into_iter().filter(|root| *root != older.root) {
            prop_assert!(proof.verify(&with_root(older, root), &newer).is_err());
        }
        for root in [older.root, Hash::EMPTY, leaves[0]].into_iter().filter(|root| *root != newer.root) {
            prop_assert!(proof.verify(&older, &with_root(newer, root)).is_err());
        }
        let other = 1 + other.index(leaves.len());
        if other != old {
            prop_assert!(proof.verify(&head(&leaves[..other]), &newer).is_err());
            if other < leaves.len() {
                prop_assert!(proof.verify(&older, &head(&leaves[..other])).is_err());
            }
        }
        if old < leaves.len() {
            prop_assert!(proof.verify(&newer, &older).is_err());
        }
    }

    #[test]
    fn a_subtree_is_a_part_of_the_tree(size in 1..=SIZE_MAX, start: prop::sample::Index, end: prop::sample::Index) {
        let leaves = leaves(size);
        let start = start.index(leaves.len()) as u64;
        let room = if start == 0 { size } else { (1 << start.trailing_zeros()).min(size - start) };
        let end = start + 1 + end.index(room as usize) as u64;
        let subtree = Subtree::new(start, end).unwrap();
        let own = &leaves[start as usize..end as usize];
        let hashes = subtree.prove_consistency(size, &mut reader(&leaves)).unwrap();
        prop_assert_eq!(subtree.verify_consistency(&root(own), &head(&leaves), &hashes), Ok(()));
        for hashes in mutations(&hashes) {
            prop_assert!(subtree.verify_consistency(&root(own), &head(&leaves), &hashes).is_err());
        }
        let way = subtree.prove_inclusion(end - 1, &mut reader(&leaves)).unwrap();
        let leaf = LeafHash::known(leaves[end as usize - 1]);
        prop_assert_eq!(subtree.verify_inclusion(&root(own), end - 1, &leaf, &way), Ok(()));
    }

    #[test]
    fn any_numbers_and_hashes_are_judged_without_a_panic(
        numbers: [u64; 4],
        count in 0..70_usize,
        hash: [u8; 32],
    ) {
        let [a, b, c, d] = numbers;
        let (hash, hashes) = (Hash::from(hash), vec![Hash::from(hash); count]);
        for (start, end, size) in [(a, b, c), (0, a, b), (0, a, a), (0, u64::MAX, u64::MAX), (1 << 63, u64::MAX, u64::MAX)] {
            if let Ok(subtree) = Subtree::new(start, end) {
                let leaf = LeafHash::known(hash);
                prop_assert!(subtree.verify_inclusion(&hash, d, &leaf, &hashes).is_err() || count == 0);
                let judged = subtree.verify_consistency(&hash, &TreeHead { size, root: hash }, &hashes);
                prop_assert!(judged.is_err() || count == 0);
            }
        }
    }

    #[test]
    fn appending_gives_the_root_of_a_whole_recomputation(size in 0..=SIZE_MAX, cut: prop::sample::Index) {
        let leaves = leaves(size);
        let mut frontier = Frontier::default();
        for (at, leaf) in leaves.iter().enumerate() {
            if cut.index(leaves.len()) == at {
                // As after a restart: from the hashes alone, or from the tree.
                let read = Frontier::read(frontier.size(), &mut reader(&leaves)).unwrap();
                prop_assert_eq!(&read, &frontier);
                frontier = Frontier::from_hashes(frontier.size(), frontier.hashes().to_vec()).unwrap();
            }
            frontier.push(&LeafHash::known(*leaf));
            prop_assert_eq!(frontier.hashes().len() as u32, frontier.size().count_ones());
        }
        prop_assert_eq!(frontier.head(), head(&leaves));
        let one_more = Frontier::from_hashes(size, [frontier.hashes(), &[Hash::EMPTY]].concat());
        prop_assert!(one_more.is_err());
    }
}

#[test]
fn what_cannot_be_proved_is_not_built() {
    let leaves = leaves(5);
    let mut reader = reader(&leaves);
    assert_eq!(
        InclusionProof::build(5, 5, &mut reader),
        Err(BuildError::Proof(ProofError::Range { index: 5, end: 5 }))
    );
    assert_eq!(ConsistencyProof::build(0, 5, &mut reader), Err(BuildError::Proof(ProofError::EmptyTree)));
    assert_eq!(
        ConsistencyProof::build(6, 5, &mut reader),
        Err(BuildError::Proof(ProofError::Range { index: 6, end: 5 }))
    );
    assert!(matches!(InclusionProof::build(1, 9, &mut reader), Err(BuildError::Reader(_))));
}
